import * as React from 'react';

import type { ICatalog } from '../client/restapi.js';
import { Conversation } from '../components/Conversation.js';
import type { ChatModel } from '../model/chat.js';
import type { WidgetSession } from './session.js';

export interface IViewProps {
  readonly session: WidgetSession;
  readonly chatId: string;
}

/** A conversation, as the panel shows it; subagents open in its place. */
export function ChatView({ session, chatId }: IViewProps): React.ReactElement | null {
  const [shownId, show] = React.useState(chatId);
  const model = useChatModel(session, shownId);
  const catalog = useCatalog(session);
  return model ? <Conversation model={model} catalog={catalog} onOpen={show} /> : null;
}

/** Returns the model of a chat, which lives as long as somebody uses it. */
export function useChatModel(session: WidgetSession, chatId: string): ChatModel | undefined {
  const [model, setModel] = React.useState<ChatModel>();
  React.useLayoutEffect(() => {
    setModel(session.use(chatId));
    return () => session.release(chatId);
  }, [session, chatId]);
  return model?.id === chatId ? model : undefined;
}

function useCatalog(session: WidgetSession): ICatalog | undefined {
  const [catalog, setCatalog] = React.useState<ICatalog>();
  React.useEffect(() => {
    session.catalog().then(setCatalog, () => {}); // without it no model can be chosen, the rest works
  }, [session]);
  return catalog;
}
