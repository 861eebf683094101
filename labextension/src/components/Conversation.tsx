import * as React from 'react';

import type { ICatalog } from '../client/restapi.js';
import type { ICapability, IChat } from '../client/values.js';
import { isStoppable } from '../client/view.js';
import type { ChatModel, IChatState } from '../model/chat.js';
import { Announcer } from './Announcer.js';
import { EffortPicker, ModelPicker, Modes } from './Choices.js';
import { CommandsNotice } from './CommandsNotice.js';
import { Composer } from './Composer.js';
import { IconButton, useHost, usePreferences } from './host.js';
import { Notice } from './Notice.js';
import { OffNotice } from './OffNotice.js';
import { Queue } from './Queue.js';
import { StatusDot } from './StatusDot.js';
import { Subagents } from './Subagents.js';
import { TranscriptView } from './TranscriptView.js';
import { UsageLine } from './UsageLine.js';
import { useChat, useModel } from './useModel.js';

const KEYS = {
  Enter: 'Enter queues, Ctrl+Enter interrupts',
  'Ctrl+Enter': 'Ctrl+Enter queues, Ctrl+Shift+Enter interrupts'
} as const;

export interface IConversationProps {
  readonly model: ChatModel;
  readonly catalog: ICatalog | undefined;
  readonly capabilities?: readonly ICapability[];
  /** Shows another chat, a subagent's or its parent. */
  readonly onOpen: (chatId: string) => void;
  /** Shows the list; where there is one. */
  readonly onClose?: (() => void) | undefined;
}

/** One chat: what was said and done, what waits, and the input. */
export function Conversation({
  model,
  catalog,
  capabilities = [],
  onOpen,
  onClose
}: IConversationProps): React.ReactElement {
  const { sendKey } = usePreferences();
  const state = useModel(model);
  const chat = useChat(model.chats, model.id);
  const { view, entries, usage, inputRequests } = state;
  const { draft } = model;
  const canStop = isStoppable(view.status);
  return (
    <div className="jp-chatd-conversation">
      <Header model={model} chat={chat} status={view.status} onOpen={onOpen} onClose={onClose} />
      <Subagents model={model} onOpen={onOpen} />
      <TranscriptView entries={entries} model={model} isBusy={canStop} onOpen={onOpen}>
        <Standing state={state} />
      </TranscriptView>
      <Notices model={model} state={state} isArchived={chat?.archived ?? false} />
      <Queue queue={view.queue} model={model} />
      <CommandsNotice commands={chat?.commands} />
      <OffNotice capabilities={capabilities} />
      <Announcer view={view} />
      <Composer
        draft={draft}
        placeholder={canStop ? KEYS[sendKey] : 'Message to the agent'}
        inputRequests={inputRequests}
        onSend={content => model.send(content)}
        onSendNow={content => model.send(content, 'interrupt')}
        onStop={canStop ? () => void model.stop() : undefined}
      >
        <ModelPicker
          catalog={catalog}
          model={chat?.model ?? ''}
          onModel={chosen => void model.change({ model: chosen })}
        />
        <EffortPicker draft={draft} />
        <Modes
          planMode={chat?.planMode ?? false}
          asks={chat?.asks ?? true}
          onPlanMode={planMode => void model.change({ planMode })}
          onAsks={asks => void model.change({ asks })}
        />
      </Composer>
      <UsageLine
        messages={view.messages}
        usage={view.status === 'running' ? (view.familyUsage ?? usage) : usage}
      />
    </div>
  );
}

interface IHeaderProps extends Pick<IConversationProps, 'model' | 'onOpen' | 'onClose'> {
  readonly chat: IChat | undefined;
  readonly status: IChat['status'] | undefined;
}

function Header({ model, chat, status, onOpen, onClose }: IHeaderProps): React.ReactElement {
  const parent = chat?.parentChatId;
  const { openDesktop } = useHost();
  return (
    <div className="jp-chatd-header">
      {parent !== undefined ? (
        <IconButton icon="back" label="Back to the parent chat" onClick={() => onOpen(parent)} />
      ) : (
        onClose && <IconButton icon="back" label="All chats" onClick={onClose} />
      )}
      <StatusDot status={status ?? chat?.status} />
      <Title model={model} title={chat?.title ?? ''} />
      {openDesktop && (
        <IconButton icon="desktop" label="Open the desktop" onClick={() => openDesktop(model.id)} />
      )}
      {onClose && <IconButton icon="add" label="New chat" onClick={onClose} />}
    </div>
  );
}

/** The title; a click makes it a field. */
function Title({ model, title }: { readonly model: ChatModel; readonly title: string }): React.ReactElement {
  const [draft, setDraft] = React.useState<string>();
  if (draft === undefined) {
    return (
      <button type="button" className="jp-chatd-title" title="Rename" onClick={() => setDraft(title)}>
        {title}
      </button>
    );
  }
  const rename = () => {
    if (draft.trim() && draft.trim() !== title) {
      void model.change({ title: draft.trim() });
    }
    setDraft(undefined);
  };
  return (
    <input
      className="jp-chatd-field"
      aria-label="Title of the chat"
      // biome-ignore lint/a11y/noAutofocus: the user has just asked to rename here
      autoFocus
      value={draft}
      onChange={event => setDraft(event.target.value)}
      onBlur={rename}
      onKeyDown={event => {
        if (event.key === 'Enter') {
          rename();
        } else if (event.key === 'Escape') {
          setDraft(undefined);
        }
      }}
    />
  );
}

/** A line at the end while nothing else shows that the agent is at it. */
function Standing({ state: { view, entries } }: { readonly state: IChatState }): React.ReactElement | null {
  const { status, retry, live } = view;
  if (retry) {
    return <p className="jp-chatd-note">{`${retry.error} Trying again (${retry.attempt})…`}</p>;
  }
  const last = entries.at(-1);
  const isShown =
    live.length > 0 || (last?.kind === 'tool' && last.state !== 'done' && last.state !== 'ended');
  if (!isStoppable(status) || status === 'requires_action' || isShown) {
    return null;
  }
  return (
    <p className="jp-chatd-note">
      <span className="jp-chatd-spinner" aria-hidden="true" />{' '}
      {status === 'interrupting' ? 'Stopping…' : status === 'pending' ? 'Waiting for a turn…' : 'Working…'}
    </p>
  );
}

/** What went wrong, and what can be done about it. */
function Notices({
  model,
  state,
  isArchived
}: {
  readonly model: ChatModel;
  readonly state: IChatState;
  readonly isArchived: boolean;
}): React.ReactElement {
  const { view, connection, failure, problem } = state;
  return (
    <>
      {view.error && (
        <Notice
          kind="error"
          text={view.error.message}
          detail={view.error.detail}
          action={{ label: 'Try again', run: () => void model.retry() }}
        />
      )}
      {isArchived && (
        <Notice
          kind="warning"
          text="This chat is archived."
          action={{ label: 'Bring back', run: () => void model.change({ archived: false }) }}
        />
      )}
      {failure && <Notice kind="error" text={`This chat cannot be followed any more. ${failure.message}`} />}
      {!failure && connection === 'lost' && (
        <Notice
          kind="warning"
          text="The connection to the server is lost. It is tried again."
          action={{ label: 'Try now', run: () => model.retryNow() }}
        />
      )}
      {problem && (
        <Notice kind="error" text={problem} action={{ label: 'Dismiss', run: () => model.forgetProblem() }} />
      )}
    </>
  );
}
