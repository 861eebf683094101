import * as React from 'react';

import type { IChat } from '../client/values.js';
import { isStoppable } from '../client/view.js';
import type { PanelModel } from '../model/panel.js';
import { Toggle } from './Choices.js';
import { IconButton } from './host.js';
import { Notice } from './Notice.js';
import { StatusDot } from './StatusDot.js';
import { useModel } from './useModel.js';

/** All chats, or those that a search found. */
export function ChatList({ model }: { readonly model: PanelModel }): React.ReactElement {
  const { found, search, isArchive } = useModel(model);
  const { chats, archived, isLoaded, isLost, error } = useModel(model.chats);
  const listed = isArchive ? archived : chats;
  const shown = found ? listedOf(listed, found) : listed;
  return (
    <div className="jp-chatd-list">
      {isLoaded && <Finder model={model} isSearchable={listed.length > 0 || search !== ''} />}
      {isLost && !error && (
        <Notice
          kind="warning"
          text="The connection to the server is lost. It is tried again."
          action={{ label: 'Try now', run: () => model.retryNow() }}
        />
      )}
      {error && (
        <Notice
          kind="error"
          text={`The chats could not be read. ${error.message}`}
          action={{ label: 'Try again', run: () => void model.chats.load() }}
        />
      )}
      {isLoaded && shown.length === 0 && <Nothing isSearch={search.trim() !== ''} isArchive={isArchive} />}
      <ul aria-label={isArchive ? 'Archived chats' : 'Chats'}>
        {shown.map(chat => (
          <Branch key={chat.id} chat={chat} model={model} />
        ))}
      </ul>
    </div>
  );
}

/** What was found, as it is now. */
function listedOf(listed: readonly IChat[], ids: readonly string[]): IChat[] {
  const byId = new Map(listed.map(chat => [chat.id, chat]));
  return ids.flatMap(id => byId.get(id) ?? []);
}

interface IFinderProps {
  readonly model: PanelModel;
  readonly isSearchable: boolean;
}

/** Where one says which chats shall be listed. */
function Finder({ model, isSearchable }: IFinderProps): React.ReactElement {
  const { search, isArchive, wantsSearch } = useModel(model);
  const field = React.useRef<HTMLInputElement>(null);
  React.useEffect(() => {
    if (wantsSearch) {
      setTimeout(() => field.current?.focus()); // after the input below, which takes the cursor when it comes
      model.searchIsShown();
    }
  }, [wantsSearch, model]);
  const label = isArchive ? 'Search archived chats' : 'Search all chats';
  return (
    <div className="jp-chatd-finder">
      {isSearchable && (
        <input
          type="search"
          ref={field}
          className="jp-chatd-field"
          placeholder={label}
          aria-label={label}
          value={search}
          onChange={event => void model.find(event.target.value)}
        />
      )}
      <Toggle
        label="Archived"
        title={isArchive ? 'Back to the chats that are not archived' : 'Show the chats that were archived'}
        isOn={isArchive}
        onToggle={isOn => void model.showArchive(isOn)}
      />
    </div>
  );
}

function Nothing({
  isSearch,
  isArchive
}: {
  readonly isSearch: boolean;
  readonly isArchive: boolean;
}): React.ReactElement {
  return isSearch || isArchive ? (
    <p className="jp-chatd-note">{isSearch ? 'No chat has all of these words.' : 'No chat is archived.'}</p>
  ) : (
    <div className="jp-chatd-welcome">
      <h2>What shall we do?</h2>
      <p>
        The agent reads and writes files here, runs commands, and delegates to subagents. It asks before it
        changes something, and chats are kept.
      </p>
    </div>
  );
}

/** A chat, and below it those of its subagents that are at work; the others when somebody asks. */
function Branch({ chat, model }: IRowProps): React.ReactElement {
  const [isWhole, showWhole] = React.useState(false);
  const children = model.chats.childrenOf(chat.id);
  const shown = children.filter(({ status }) => isWhole || isStoppable(status));
  const others = children.length - shown.length;
  return (
    <li>
      <Row chat={chat} model={model} />
      {children.length > 0 && (
        <ul aria-label={`Subagents of ${chat.title}`}>
          {shown.map(child => (
            <li key={child.id}>
              <Row chat={child} model={model} />
            </li>
          ))}
        </ul>
      )}
      {(others > 0 || isWhole) && (
        <button
          type="button"
          className="jp-chatd-link jp-chatd-branch"
          aria-expanded={isWhole}
          onClick={() => showWhole(!isWhole)}
        >
          {isWhole ? 'Fewer subagents' : othersText(others)}
        </button>
      )}
    </li>
  );
}

function othersText(count: number): string {
  return count === 1 ? '1 subagent that is done' : `${count} subagents that are done`;
}

interface IRowProps {
  readonly chat: IChat;
  readonly model: PanelModel;
}

function Row({ chat, model }: IRowProps): React.ReactElement {
  return (
    <div className={`jp-chatd-row ${chat.hasUnread ? 'jp-mod-unread' : ''}`}>
      <button type="button" className="jp-chatd-rowMain" onClick={() => model.open(chat.id)}>
        <StatusDot status={chat.status} />
        <span className="jp-chatd-grow">{chat.title}</span>
        {chat.hasUnread && <span className="jp-chatd-unread" role="img" aria-label="unread" title="Unread" />}
        <time dateTime={chat.updatedAt}>{when(chat.updatedAt)}</time>
      </button>
      {isStoppable(chat.status) && (
        <IconButton
          icon="stop"
          label={`Stop ${chat.title}`}
          className="jp-mod-stop"
          onClick={() => void model.stop(chat)}
        />
      )}
      {chat.parentChatId === undefined && <RowActions chat={chat} model={model} />}
    </div>
  );
}

/** What is done with a chat and its whole family. */
function RowActions({ chat, model }: IRowProps): React.ReactElement {
  if (chat.archived) {
    return <IconButton icon="restore" label="Bring back" onClick={() => void model.restore(chat)} />;
  }
  return (
    <>
      <IconButton
        icon="pin"
        label={chat.pinOrder ? 'Unpin' : 'Pin'}
        className={chat.pinOrder ? 'jp-mod-on' : 'jp-mod-onHover'}
        onClick={() => void model.pin(chat)}
      />
      <IconButton
        icon="archive"
        label="Archive"
        className="jp-mod-onHover"
        onClick={() => void model.archive(chat)}
      />
    </>
  );
}

/** The time of today, else the day. */
function when(time: string): string {
  const date = new Date(time);
  const isToday = date.toDateString() === new Date().toDateString();
  return isToday
    ? date.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' })
    : date.toLocaleDateString([], { month: 'short', day: 'numeric' });
}
