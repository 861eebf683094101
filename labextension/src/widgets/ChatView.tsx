import * as React from 'react';

import type { ICatalog } from '../client/restapi.js';
import { Conversation } from '../components/Conversation.js';
import type { WidgetSession } from './session.js';
import { type IViewProps, useChatModel } from './useChatModel.js';

/** A conversation, as the panel shows it; subagents open in its place. */
export function ChatView({ session, chatId }: IViewProps): React.ReactElement | null {
  const [shownId, show] = React.useState(chatId);
  const model = useChatModel({ session, chatId: shownId });
  const catalog = useCatalog(session);
  return model ? <Conversation model={model} catalog={catalog} onOpen={show} /> : null;
}

function useCatalog(session: WidgetSession): ICatalog | undefined {
  const [catalog, setCatalog] = React.useState<ICatalog>();
  React.useEffect(() => {
    session.catalog().then(setCatalog, () => {}); // without it no model can be chosen, the rest works
  }, [session]);
  return catalog;
}
