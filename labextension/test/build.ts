/** Short ways to write the values of tests. */

import type { ILivePart, StreamEvent } from '../src/client/events.js';
import type {
  ChatStatus,
  IAction,
  IMessage,
  IToolCallPart,
  IToolResultPart,
  Part,
  Role
} from '../src/client/values.js';

export function text(words: string): Part {
  return { type: 'text', text: words };
}

export function call(callId: string, fields: Partial<IToolCallPart> = {}): IToolCallPart {
  return {
    type: 'tool-call',
    callId,
    toolName: 'execute',
    args: undefined,
    argsText: '',
    providerExecuted: false,
    ...fields
  };
}

export function result(callId: string, fields: Partial<IToolResultPart> = {}): IToolResultPart {
  return {
    type: 'tool-result',
    callId,
    toolName: 'execute',
    result: undefined,
    output: '',
    isError: false,
    isMedia: false,
    ...fields
  };
}

export function row(
  id: number,
  role: Role,
  content: readonly Part[] = [text('text')],
  fields: Partial<IMessage> = {}
): IMessage {
  return {
    id,
    role,
    content,
    createdAt: '2026-11-21T07:30:00Z',
    clientMessageId: undefined,
    model: undefined,
    usage: undefined,
    costMicros: undefined,
    runtimeMs: undefined,
    stopReason: undefined,
    compressed: false,
    ...fields
  };
}

export function message(id: number, role: Role = 'user', ...content: readonly Part[]): StreamEvent {
  return { type: 'message', message: row(id, role, content.length > 0 ? content : [text('text')]) };
}

export function piece(part: Part, seq: number, fields: Partial<ILivePart> = {}): StreamEvent {
  const live = { role: 'assistant', part, index: 0, historyVersion: 5, attempt: 1, seq, ...fields } as const;
  return { type: 'message_part', live };
}

export function status(word: ChatStatus): StreamEvent {
  return { type: 'status', status: word };
}

export function reset(attempt: number): StreamEvent {
  return { type: 'preview_reset', episode: { historyVersion: 5, attempt } };
}

export function queue(...ids: readonly number[]): StreamEvent {
  return { type: 'queue_update', queue: ids.map(id => ({ id, content: [] })) };
}

export function action(fields: Partial<IAction> = {}): IAction {
  return {
    kind: 'approval',
    messageId: 1,
    callIndex: 0,
    callId: 'c',
    toolName: 'execute',
    args: {},
    claimedBy: undefined,
    ...fields
  };
}
