import * as React from 'react';

import type { IChat } from '../client/values.js';
import { isStoppable } from '../client/view.js';
import { IconButton } from '../components/host.js';
import { StatusDot } from '../components/StatusDot.js';
import { useChat, useModel } from '../components/useModel.js';
import { ChatView } from './ChatView.js';
import type { WidgetSession } from './session.js';
import { type IViewProps, useChatModel } from './useChatModel.js';

/** A chat and all its subagents, each with its state; the chosen one is shown below. */
export function AgentTreeView({ session, chatId }: IViewProps): React.ReactElement | null {
  const model = useChatModel({ session, chatId });
  const [shownId, show] = React.useState<string>();
  return model ? (
    <>
      <ul className="jp-chatd-part jp-chatd-tree" aria-label="Agents">
        <Branch session={session} chatId={chatId} shownId={shownId} onShow={show} />
      </ul>
      {shownId && <ChatView key={shownId} session={session} chatId={shownId} />}
    </>
  ) : null;
}

interface IBranchProps extends IViewProps {
  readonly shownId: string | undefined;
  readonly onShow: (chatId: string | undefined) => void;
}

function Branch(props: IBranchProps): React.ReactElement | null {
  const { session, chatId } = props;
  const chat = useChat(session.chats, chatId);
  const children = useChildren(session, chatId);
  return chat ? (
    <li>
      <Row chat={chat} {...props} />
      {children.length > 0 && (
        <ul aria-label={`Subagents of ${chat.title}`}>
          {children.map(child => (
            <Branch key={child.id} {...props} chatId={child.id} />
          ))}
        </ul>
      )}
    </li>
  ) : null;
}

function Row({
  chat,
  session,
  shownId,
  onShow
}: IBranchProps & { readonly chat: IChat }): React.ReactElement {
  const { id, title, status, hasUnread } = chat;
  return (
    <div className={`jp-chatd-row ${hasUnread ? 'jp-mod-unread' : ''}`}>
      <button
        type="button"
        className="jp-chatd-rowMain"
        aria-expanded={shownId === id}
        onClick={() => onShow(shownId === id ? undefined : id)}
      >
        <StatusDot status={status} />
        <span className="jp-chatd-grow">{title}</span>
      </button>
      {isStoppable(status) && (
        <IconButton
          icon="stop"
          label={`Stop ${title}`}
          className="jp-mod-stop"
          onClick={() => void session.chats.stop(id, onShow)}
        />
      )}
    </div>
  );
}

/** Returns the subagents of a chat, oldest first; those that were there before are asked for once. */
function useChildren(session: WidgetSession, chatId: string): readonly IChat[] {
  const { chats, api } = session;
  useModel(chats);
  React.useEffect(() => {
    api.children(chatId).then(
      children => chats.put(...children),
      () => {} // the connection says so itself, and tells of them when it is back
    );
  }, [chats, api, chatId]);
  return [...chats.childrenOf(chatId)].reverse();
}
