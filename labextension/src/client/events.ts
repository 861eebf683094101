/** What the stream of a chat says, frame by frame. */

import { asList, asNumber, asObject, asOneOf, asString, MalformedReplyError } from './decode.js';
import {
  decodeAction,
  decodeChat,
  decodeChild,
  decodeMessage,
  decodePart,
  decodeQueued,
  decodeRetry,
  decodeRunError,
  decodeTotals
} from './decodevalues.js';
import {
  CHAT_STATUSES,
  type ChatStatus,
  type IAction,
  type IChat,
  type IChildState,
  type IMessage,
  type IQueuedMessage,
  type IRetry,
  type IRunError,
  type IUsageTotals,
  type Part,
  ROLES,
  type Role
} from './values.js';

/** One streamed answer, or the tools of one step; no two have the same name. */
export interface IEpisode {
  readonly historyVersion: number;
  readonly attempt: number;
}

/** A piece of the answer that is being made. */
export interface ILivePart extends IEpisode {
  readonly role: Role;
  /** A delta for text, reasoning, arguments and output; whole otherwise. */
  readonly part: Part;
  /** Which block of the answer it belongs to. */
  readonly index: number;
  /** Counts from 1 within the episode. */
  readonly seq: number;
}

export type StreamEvent =
  | { readonly type: 'status'; readonly status: ChatStatus }
  | { readonly type: 'message'; readonly message: IMessage }
  | { readonly type: 'message_part'; readonly live: ILivePart }
  | { readonly type: 'preview_reset'; readonly episode: IEpisode }
  | { readonly type: 'history_reset' }
  | { readonly type: 'queue_update'; readonly queue: readonly IQueuedMessage[] }
  | { readonly type: 'action_required'; readonly actions: readonly IAction[] }
  | { readonly type: 'retry'; readonly retry: IRetry }
  | { readonly type: 'error'; readonly error: IRunError }
  | {
      readonly type: 'children';
      readonly children: readonly IChildState[];
      /** Of the whole family. */
      readonly usage: IUsageTotals;
    };

/** A change of one of the user's chats. */
export interface IChatChange {
  /** `created`, `deleted` (archived), `status_change`, `title_change` or a newer word. */
  readonly kind: string;
  readonly chat: IChat;
}

/** The server ended the stream and said why. */
export class StreamEndedError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'StreamEndedError';
  }
}

/**
 * Returns the events of a frame of a chat's stream, none of a ping. Events of a newer server are left out.
 *
 * @throws StreamEndedError when the frame is an error.
 * @throws MalformedReplyError when it is none of the frames that the API promises.
 */
export function decodeStreamFrame(text: string): StreamEvent[] {
  const data = frameData(text);
  if (data === undefined) {
    return [];
  }
  return asList(data, 'data', decodeEvent).filter(event => event !== undefined);
}

/** Returns the change that a frame of the list's stream tells; `undefined` for a ping. Throws as above. */
export function decodeWatchFrame(text: string): IChatChange | undefined {
  const data = frameData(text);
  if (data === undefined) {
    return undefined;
  }
  const fields = asObject(data, 'data');
  return { kind: asString(fields.kind, 'data.kind'), chat: decodeChat(fields.chat, 'data.chat') };
}

function frameData(text: string): unknown {
  const frame = asObject(parse(text), 'the frame');
  if (frame.type === 'error') {
    throw new StreamEndedError(asString(asObject(frame.data, 'data').message, 'data.message'));
  }
  return frame.type === 'data' ? (frame.data ?? null) : undefined;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new MalformedReplyError('the frame', 'JSON', text);
  }
}

function decodeEvent(value: unknown, at: string): StreamEvent | undefined {
  const fields = asObject(value, at);
  const type = asString(fields.type, `${at}.type`);
  const inside = fields[type];
  const where = `${at}.${type}`;
  switch (type) {
    case 'status':
      return { type, status: asOneOf(asObject(inside, where).status, `${where}.status`, CHAT_STATUSES) };
    case 'message':
      return { type, message: decodeMessage(inside, where) };
    case 'message_part':
      return { type, live: decodeLivePart(inside, where) };
    case 'preview_reset':
      return { type, episode: decodeEpisode(inside, where) };
    case 'history_reset':
      return { type };
    case 'queue_update':
      return { type, queue: asList(fields.queued_messages, `${at}.queued_messages`, decodeQueued) };
    case 'action_required':
      return {
        type,
        actions: asList(asObject(inside, where).actions, `${where}.actions`, decodeAction)
      };
    case 'retry':
      return { type, retry: decodeRetry(inside, where) };
    case 'error':
      return { type, error: decodeRunError(inside, where) };
    case 'children':
      return {
        type,
        children: asList(fields.children, `${at}.children`, decodeChild),
        usage: decodeTotals(fields.usage, `${at}.usage`)
      };
    default:
      return undefined;
  }
}

function decodeEpisode(value: unknown, at: string): IEpisode {
  const fields = asObject(value, at);
  return {
    historyVersion: asNumber(fields.history_version, `${at}.history_version`),
    attempt: asNumber(fields.attempt, `${at}.attempt`)
  };
}

function decodeLivePart(value: unknown, at: string): ILivePart {
  const fields = asObject(value, at);
  return {
    ...decodeEpisode(value, at),
    role: asOneOf(fields.role, `${at}.role`, ROLES),
    part: decodePart(fields.part, `${at}.part`),
    index: asNumber(fields.index, `${at}.index`),
    seq: asNumber(fields.seq, `${at}.seq`)
  };
}
