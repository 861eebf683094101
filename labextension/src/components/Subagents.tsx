import * as React from 'react';

import type { IChildState } from '../client/values.js';
import { isStoppable } from '../client/view.js';
import type { ChatModel } from '../model/chat.js';
import { IconButton, useHost } from './host.js';
import { StatusDot, statusWords } from './StatusDot.js';
import { useChat, useModel } from './useModel.js';

/** Returns what is known of a subagent now: from its parent's stream, else from the list. */
export function useSubagent(model: ChatModel, chatId: string): Partial<IChildState> {
  const { view } = useModel(model);
  const told = view.children.find(child => child.id === chatId);
  const known = useChat(model.chats, chatId);
  return told ?? known ?? {};
}

export interface ISubagentRowProps {
  readonly chatId: string;
  /** What it was called when it was last heard of. */
  readonly title: string;
  /** The chat that it belongs to. */
  readonly model: ChatModel;
  readonly onOpen: (chatId: string) => void;
}

/** One subagent: how it stands now, and what can be done with it. */
export function SubagentRow({ chatId, title, model, onOpen }: ISubagentRowProps): React.ReactElement {
  const { openBeside } = useHost();
  const { status, lastError, title: name = title } = useSubagent(model, chatId);
  return (
    <div className="jp-chatd-subagent">
      <StatusDot status={status} />
      <button
        type="button"
        className="jp-chatd-link jp-chatd-grow"
        title="Open"
        onClick={() => onOpen(chatId)}
      >
        {name || 'Subagent'}
      </button>
      <span className={`jp-chatd-state ${lastError ? 'jp-chatd-errorText' : ''}`}>
        {lastError?.message ?? (status && statusWords(status))}
      </span>
      {openBeside && (
        <IconButton icon="beside" label={`Open ${name} beside`} onClick={() => openBeside(chatId)} />
      )}
      {isStoppable(status) && (
        <IconButton
          icon="stop"
          label={`Stop ${name}`}
          className="jp-mod-stop"
          onClick={() => void model.stopChild(chatId, onOpen)}
        />
      )}
    </div>
  );
}

/** All subagents of a chat, folded to one line; nothing for a chat without any. */
export function Subagents({
  model,
  onOpen
}: Omit<ISubagentRowProps, 'chatId' | 'title'>): React.ReactElement | null {
  const { view } = useModel(model);
  if (view.children.length === 0) {
    return null;
  }
  const working = view.children.filter(({ status }) => isStoppable(status)).length;
  return (
    <details className="jp-chatd-subagents">
      <summary>
        {view.children.length === 1 ? '1 subagent' : `${view.children.length} subagents`}
        {working > 0 && `, ${working} at work`}
      </summary>
      {view.children.map(({ id, title }) => (
        <SubagentRow key={id} chatId={id} title={title} model={model} onOpen={onOpen} />
      ))}
    </details>
  );
}
