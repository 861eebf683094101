import * as React from 'react';

import { StatusDot } from '../components/StatusDot.js';
import { ToolCard } from '../components/ToolCard.js';
import { useChat, useModel } from '../components/useModel.js';
import type { ChatModel } from '../model/chat.js';
import type { IToolEntry } from '../model/transcript.js';
import { ChatView } from './ChatView.js';
import { type IViewProps, useChatModel } from './useChatModel.js';

/** What the agent did with its tools, one card each; a subagent opens below. */
export function ToolCallsView({ session, chatId }: IViewProps): React.ReactElement | null {
  const model = useChatModel({ session, chatId });
  const [shownId, show] = React.useState<string>();
  return model ? (
    <>
      <ToolCalls model={model} onOpen={show} />
      {shownId && <ChatView key={shownId} session={session} chatId={shownId} />}
    </>
  ) : null;
}

interface IToolCallsProps {
  readonly model: ChatModel;
  readonly onOpen: (chatId: string) => void;
}

function ToolCalls({ model, onOpen }: IToolCallsProps): React.ReactElement {
  const { view, entries } = useModel(model);
  const chat = useChat(model.chats, model.id);
  const calls = entries.filter((entry): entry is IToolEntry => entry.kind === 'tool');
  return (
    <section className="jp-chatd-part" aria-label={`Tool calls of ${chat?.title ?? 'the chat'}`}>
      <p className="jp-chatd-note">
        <StatusDot status={view.status} />
        {calls.length === 1 ? '1 tool call' : `${calls.length} tool calls`}
      </p>
      {calls.map(entry => (
        <ToolCard key={entry.key} entry={entry} model={model} onOpen={onOpen} />
      ))}
    </section>
  );
}
