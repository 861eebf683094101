import * as React from 'react';

import { isStoppable } from '../client/view.js';
import { Composer } from '../components/Composer.js';
import { StatusDot } from '../components/StatusDot.js';
import { ToolCard } from '../components/ToolCard.js';
import { useChat, useModel } from '../components/useModel.js';
import type { ChatModel } from '../model/chat.js';
import { openPlanOf } from '../model/plan.js';
import type { IToolEntry } from '../model/transcript.js';
import { type IViewProps, useChatModel } from './useChatModel.js';

/** What waits for a person, of a chat and of its subagents: calls to allow, questions, a plan. */
export function ApprovalView({ session, chatId }: IViewProps): React.ReactElement | null {
  const model = useChatModel({ session, chatId });
  return model ? <Waiting session={session} model={model} /> : null;
}

interface IWaitingProps extends Pick<IViewProps, 'session'> {
  readonly model: ChatModel;
}

function Waiting({ session, model }: IWaitingProps): React.ReactElement {
  const state = useModel(model);
  const { view, entries } = state;
  const chat = useChat(model.chats, model.id);
  const asking = entries.filter(
    (entry): entry is IToolEntry => entry.kind === 'tool' && entry.state === 'asking'
  );
  const plan = openPlanOf(state, chat)?.entry;
  const children = view.children.filter(({ status }) => status === 'requires_action');
  const isIdle = asking.length === 0 && !plan && children.length === 0;
  return (
    <section className="jp-chatd-part" aria-label={`What ${chat?.title ?? 'the chat'} waits for`}>
      <p className="jp-chatd-note">
        <StatusDot status={view.status} />
        {chat?.title}
        {isIdle && (isStoppable(view.status) ? ': at work' : ': nothing waits for you')}
      </p>
      {asking.map(entry => (
        <ToolCard key={entry.key} entry={entry} model={model} onOpen={() => {}} />
      ))}
      {plan && <Plan key={plan.key} entry={plan} model={model} />}
      {children.map(({ id }) => (
        <ApprovalView key={id} session={session} chatId={id} />
      ))}
    </section>
  );
}

interface IPlanProps {
  readonly entry: IToolEntry;
  readonly model: ChatModel;
}

/** A plan to be decided about; who wants it to be different says so below. */
function Plan({ entry, model }: IPlanProps): React.ReactElement {
  const { inputRequests } = useModel(model);
  const [before] = React.useState(inputRequests);
  return (
    <>
      <ToolCard entry={entry} model={model} onOpen={() => {}} />
      {inputRequests > before && (
        <Composer
          draft={model.draft}
          placeholder="What should be different?"
          inputRequests={inputRequests}
          onSend={content => model.send(content)}
        />
      )}
    </>
  );
}
