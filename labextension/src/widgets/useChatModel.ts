import * as React from 'react';

import type { ChatModel } from '../model/chat.js';
import type { IAnyModel } from './contract.js';
import type { WidgetSession } from './session.js';

/** What every view gets. */
export interface IViewProps {
  readonly session: WidgetSession;
  readonly chatId: string;
}

/** What the view of a whole widget gets besides. */
export interface IWidgetViewProps extends IViewProps {
  /** What the kernel shares. */
  readonly widget: IAnyModel;
}

/** Returns the model of a chat, which lives as long as somebody uses it; `undefined` before the first picture. */
export function useChatModel({ session, chatId }: IViewProps): ChatModel | undefined {
  const [model, setModel] = React.useState<ChatModel>();
  React.useLayoutEffect(() => {
    setModel(session.use(chatId));
    return () => session.release(chatId);
  }, [session, chatId]);
  return model?.id === chatId ? model : undefined;
}
