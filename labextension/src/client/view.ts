/**
 * A chat as a client has seen it so far, and what each event makes of it. `apply` is pure: the same events
 * give the same view, whether they came over one connection or over many.
 */

import type { IEpisode, ILivePart, StreamEvent } from './events.js';
import type {
  ChatStatus,
  IAction,
  IChildState,
  IMessage,
  IQueuedMessage,
  IRetry,
  IRunError,
  IUsageTotals,
  Part,
  Role
} from './values.js';

/** One block of the answer that is being made, as far as it has come. */
export interface ILiveBlock {
  readonly role: Role;
  readonly index: number;
  /** Text, reasoning, arguments and output hold all that was streamed of them. */
  readonly part: Part;
}

export interface IChatView {
  /** `undefined` before anything was received. */
  readonly status: ChatStatus | undefined;
  /** Oldest first. */
  readonly messages: readonly IMessage[];
  /** The running episode, in the order in which its blocks began. */
  readonly live: readonly ILiveBlock[];
  readonly queue: readonly IQueuedMessage[];
  readonly actions: readonly IAction[];
  readonly error: IRunError | undefined;
  /** Its own subagents, in the order in which they were made. */
  readonly children: readonly IChildState[];
  /** Of the chat and its subagents; `undefined` for a chat without any. */
  readonly familyUsage: IUsageTotals | undefined;
  readonly retry: IRetry | undefined;
  /** All that the server had when the connection was made has come. */
  readonly isComplete: boolean;
  /** The newest stored message: the cursor. */
  readonly lastId: number;
  readonly episode: IEpisode | undefined;
  /** How far into `episode` the live blocks are. */
  readonly seq: number;
}

export const EMPTY_VIEW: IChatView = {
  status: undefined,
  messages: [],
  live: [],
  queue: [],
  actions: [],
  error: undefined,
  children: [],
  familyUsage: undefined,
  retry: undefined,
  isComplete: false,
  lastId: 0,
  episode: undefined,
  seq: 0
};

/** Whether nothing runs and nobody is waited for. */
export function isSettled(status: ChatStatus | undefined): boolean {
  return status === 'waiting' || status === 'error';
}

/** Whether there is something to stop. */
export function isStoppable(status: ChatStatus | undefined): boolean {
  return status !== undefined && !isSettled(status);
}

/** Returns the query that resumes the stream after what *view* has. */
export function cursorOf({ lastId, episode, seq }: IChatView): string {
  const cursor = `after_id=${lastId}`;
  return episode ? `${cursor}&episode=${episode.historyVersion}.${episode.attempt}.${seq}` : cursor;
}

/** Returns *view* at the start of a new connection, without what only its snapshot can confirm. */
export function reconnected(view: IChatView): IChatView {
  return { ...view, isComplete: false, actions: [], error: undefined, retry: undefined };
}

/** Returns the view after *events*. A run of new messages costs one copy of the list, not one each. */
export function apply(view: IChatView, events: readonly StreamEvent[]): IChatView {
  const added: IMessage[] = [];
  let next = view;
  for (const event of events) {
    if (event.type === 'message') {
      next = takeMessage(next, event.message, added);
      continue;
    }
    if (event.type === 'history_reset') {
      added.length = 0;
    }
    next = applyOther(next, event);
  }
  return added.length > 0 ? { ...next, messages: [...next.messages, ...added] } : next;
}

function applyOther(view: IChatView, event: Exclude<StreamEvent, { type: 'message' }>): IChatView {
  switch (event.type) {
    case 'message_part':
      return takePart(view, event.live);
    case 'status':
      return takeStatus(view, event.status);
    case 'queue_update': // ends the messages of a snapshot
      return { ...view, queue: event.queue, isComplete: true };
    case 'preview_reset':
      // To one who resumes within an episode that is over, the reset says that it is.
      return isSettled(view.status) ? endEpisode(view) : begin(view, event.episode);
    case 'history_reset':
      return { ...endEpisode(view), messages: [], lastId: 0 };
    case 'error':
      return { ...view, error: event.error };
    case 'retry':
      return { ...view, retry: event.retry };
    case 'action_required':
      return { ...view, actions: event.actions };
    case 'children':
      return { ...view, children: event.children, familyUsage: event.usage };
  }
}

/** What belongs to another status ends with it; a snapshot tells the status first, details after. */
function takeStatus(view: IChatView, status: ChatStatus): IChatView {
  const settled = isSettled(status);
  return {
    ...(settled ? endEpisode(view) : view),
    status,
    error: status === 'error' ? view.error : undefined,
    retry: settled ? undefined : view.retry,
    actions: status === 'requires_action' ? view.actions : []
  };
}

function takeMessage(view: IChatView, message: IMessage, added: IMessage[]): IChatView {
  if (message.id <= view.lastId) {
    return view;
  }
  added.push(message);
  const answers = message.role === 'assistant' || message.role === 'tool';
  return { ...(answers ? endEpisode(view) : view), lastId: message.id, retry: undefined };
}

function begin(view: IChatView, episode: IEpisode): IChatView {
  return { ...view, live: [], episode, seq: 0, retry: undefined };
}

function endEpisode(view: IChatView): IChatView {
  return { ...view, live: [], episode: undefined, seq: 0 };
}

function takePart(view: IChatView, live: ILivePart): IChatView {
  const { historyVersion, attempt } = live;
  const isSame = view.episode?.historyVersion === historyVersion && view.episode.attempt === attempt;
  const current = isSame ? view : begin(view, { historyVersion, attempt });
  return live.seq <= current.seq
    ? current
    : { ...current, live: withPart(current.live, live), seq: live.seq };
}

function withPart(blocks: readonly ILiveBlock[], { role, index, part }: ILivePart): ILiveBlock[] {
  const place = blocks.findIndex(block => block.role === role && block.index === index);
  const before = blocks[place];
  if (before === undefined) {
    return [...blocks, { role, index, part }];
  }
  const block = { ...before, part: joined(before.part, part) };
  return [...blocks.slice(0, place), block, ...blocks.slice(place + 1)];
}

/** Returns a block's part after the next piece: deltas add up, a whole part replaces them. */
function joined(soFar: Part, next: Part): Part {
  if (soFar.type === 'text' && next.type === 'text') {
    return { ...next, text: soFar.text + next.text };
  }
  if (soFar.type === 'reasoning' && next.type === 'reasoning') {
    return { ...next, text: soFar.text + next.text, createdAt: soFar.createdAt ?? next.createdAt };
  }
  if (soFar.type === 'tool-call' && next.type === 'tool-call' && next.argsText) {
    return { ...next, argsText: soFar.argsText + next.argsText };
  }
  if (soFar.type === 'tool-result' && next.type === 'tool-result' && next.output) {
    return { ...next, output: soFar.output + next.output };
  }
  return next;
}
