/**
 * A chat as people read it: what they said, what the agent said, and what it did, in order. A tool's call and
 * its result, which are apart in the history, are one entry.
 */

import type {
  IAction,
  ICallKey,
  IMessage,
  IReasoningPart,
  ISourcePart,
  IToolCallPart,
  IToolResultPart,
  Part
} from '../client/values.js';
import { type IChatView, isStoppable } from '../client/view.js';
import { textField } from './tools.js';

export interface IUserEntry {
  readonly kind: 'user';
  readonly key: string;
  readonly message: IMessage;
}

export interface ITextEntry {
  readonly kind: 'text';
  readonly key: string;
  readonly text: string;
  readonly isLive: boolean;
}

export interface IReasoningEntry {
  readonly kind: 'reasoning';
  readonly key: string;
  readonly part: IReasoningPart;
  readonly isLive: boolean;
}

/** Where a call stands: `asking` waits for a person, `ended` has no result and will get none. */
export type CallState = 'writing' | 'running' | 'asking' | 'done' | 'failed' | 'ended';

export interface IToolEntry {
  readonly kind: 'tool';
  readonly key: string;
  readonly call: IToolCallPart;
  /** Of a call that is stored. */
  readonly callKey: ICallKey | undefined;
  readonly result: IToolResultPart | undefined;
  readonly action: IAction | undefined;
  readonly state: CallState;
}

export interface ISourceEntry {
  readonly kind: 'source';
  readonly key: string;
  readonly part: ISourcePart;
}

export interface IFileEntry {
  readonly kind: 'file';
  readonly key: string;
  readonly part: Extract<Part, { type: 'file' }>;
}

/** A line between entries: the answer was cut, or the history before it summarised or put away for the model. */
export interface INoteEntry {
  readonly kind: 'note';
  readonly key: string;
  readonly note: Note;
  /** Of a summary. */
  readonly text: string;
}

export type Note = 'interrupted' | 'length' | 'content_filter' | 'summarised' | 'cleared';

export type Entry =
  | IUserEntry
  | ITextEntry
  | IReasoningEntry
  | IToolEntry
  | ISourceEntry
  | IFileEntry
  | INoteEntry;

/**
 * Makes the entries of one chat's views. While an answer is streamed, entries of what is stored are the same
 * objects as before, so that nothing but the answer need be rendered again.
 */
export class Transcript {
  /** Returns the entries of *view*, oldest first. */
  entriesOf(view: IChatView): readonly Entry[] {
    if (view.messages !== this.messages) {
      this.messages = view.messages;
      this.stored = storedEntries(view.messages, this.stored);
    }
    const stored = withOpenCalls(this.stored, view);
    const live = view.live.flatMap(block =>
      block.role === 'assistant' ? entriesOfPart(block.part, `${view.lastId}.${block.index}`, true) : []
    );
    return live.length > 0 ? [...stored, ...live] : stored;
  }

  private messages: readonly IMessage[] = [];
  private stored: readonly Entry[] = [];
}

/** Returns the entries of *messages*, with those of *before* that are still right in their place. */
function storedEntries(messages: readonly IMessage[], before: readonly Entry[]): Entry[] {
  const entries: Entry[] = [];
  const open: IOpenCall[] = [];
  let previousId = 0;
  for (const message of messages) {
    if (message.role === 'assistant' || message.role === 'user') {
      open.length = 0; // a call that has no result by now gets none
    }
    addMessage(message, previousId, entries, open);
    previousId = message.id;
  }
  const known = new Map(before.map(entry => [entry.key, entry]));
  return entries.map(entry => same(known.get(entry.key), entry));
}

interface IOpenCall {
  readonly callId: string;
  /** Where its entry is. */
  readonly place: number;
}

function addMessage(message: IMessage, previousId: number, entries: Entry[], open: IOpenCall[]): void {
  // An answer's key is the same while it is streamed, when its own id is not known yet.
  const keyOf = (index: number) => `${previousId}.${index}`;
  if (message.compressed) {
    entries.push(...message.content.flatMap(part => memoryNote(part, keyOf(0))));
  } else if (message.role === 'user') {
    entries.push({ kind: 'user', key: `m${message.id}`, message });
  } else if (message.role !== 'system') {
    message.content.forEach((part, index) => {
      if (part.type === 'tool-result') {
        takeResult(part, entries, open);
        return;
      }
      if (part.type === 'tool-call') {
        open.push({ callId: part.callId, place: entries.length });
        entries.push(storedCall(part, keyOf(index), { messageId: message.id, callIndex: index }));
        return;
      }
      entries.push(...entriesOfPart(part, keyOf(index), false));
    });
    addNote(message, keyOf(message.content.length), entries);
  }
}

/** Of a summary or a clearing people get a call with its result: one line for both. */
function memoryNote(part: Part, key: string): INoteEntry[] {
  if (part.type !== 'tool-result') {
    return [];
  }
  const note = part.toolName === 'chat_cleared' ? 'cleared' : 'summarised';
  return [{ kind: 'note', key, note, text: textField(part.result, 'summary') }];
}

function addNote(message: IMessage, key: string, entries: Entry[]): void {
  const { stopReason } = message;
  if (stopReason === 'interrupted' || stopReason === 'length' || stopReason === 'content_filter') {
    entries.push({ kind: 'note', key, note: stopReason, text: '' });
  }
}

/** Vendors reuse ids of calls: the first open one of that id is meant. */
function takeResult(result: IToolResultPart, entries: Entry[], open: IOpenCall[]): void {
  const index = open.findIndex(call => call.callId === result.callId);
  const [call] = index < 0 ? [] : open.splice(index, 1);
  const entry = call && entries[call.place];
  if (call && entry?.kind === 'tool') {
    entries[call.place] = { ...entry, result, state: stateOf(result) };
  }
}

function storedCall(call: IToolCallPart, key: string, callKey: ICallKey | undefined): IToolEntry {
  return { kind: 'tool', key, call, callKey, result: undefined, action: undefined, state: 'ended' };
}

/** Gives the calls of the running step what is known of them: output so far, results, and what they wait for. */
function withOpenCalls(entries: readonly Entry[], view: IChatView): readonly Entry[] {
  if (!isStoppable(view.status)) {
    return entries;
  }
  const results = view.live.flatMap(({ part }) => (part.type === 'tool-result' ? [part] : []));
  const lastAnswer = view.messages.findLast(message => message.role !== 'tool');
  return entries.map(entry => {
    if (entry.kind !== 'tool' || entry.state !== 'ended' || entry.callKey?.messageId !== lastAnswer?.id) {
      return entry;
    }
    const index = results.findIndex(part => part.callId === entry.call.callId);
    const [result] = index < 0 ? [] : results.splice(index, 1);
    const action = view.actions.find(one => isSameCall(one, entry.callKey));
    const asks = action !== undefined && action.kind !== 'client_tool'; // pages run those by themselves
    return { ...entry, result, action, state: asks ? 'asking' : stateOf(result) };
  });
}

function isSameCall(one: ICallKey, other: ICallKey | undefined): boolean {
  return one.messageId === other?.messageId && one.callIndex === other.callIndex;
}

function stateOf(result: IToolResultPart | undefined): CallState {
  if (result === undefined || (result.result === undefined && !result.isError)) {
    return 'running';
  }
  return result.isError || hasFailed(result.result) ? 'failed' : 'done';
}

/** Commands and the like tell a failure as a result. */
function hasFailed(result: unknown): boolean {
  return typeof result === 'object' && result !== null && 'success' in result && result.success === false;
}

function entriesOfPart(part: Part, key: string, isLive: boolean): Entry[] {
  switch (part.type) {
    case 'text':
      return part.text.trim() ? [{ kind: 'text', key, text: part.text, isLive }] : [];
    case 'reasoning':
      return part.text.trim() ? [{ kind: 'reasoning', key, part, isLive }] : [];
    case 'tool-call':
      return [
        { ...storedCall(part, key, undefined), state: part.args === undefined ? 'writing' : 'running' }
      ];
    case 'source':
      return [{ kind: 'source', key, part }];
    case 'file':
      return [{ kind: 'file', key, part }];
    default:
      return [];
  }
}

/** Returns *before* when it says the same as *entry*. */
function same(before: Entry | undefined, entry: Entry): Entry {
  if (before === undefined) {
    return entry;
  }
  const known: Partial<Record<string, unknown>> = { ...before };
  const isSame = Object.entries(entry).every(([name, value]) => known[name] === value);
  return isSame ? before : entry;
}
