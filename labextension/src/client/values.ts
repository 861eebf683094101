/**
 * What the API speaks of, as values: chats, messages, their parts, and what a chat waits for. Field names
 * are the API's in camel case; what it leaves out is `undefined`. Times are RFC 3339 text in UTC.
 */

export const CHAT_STATUSES = [
  'pending',
  'running',
  'interrupting',
  'requires_action',
  'waiting',
  'error'
] as const;

/** `pending` waits for a worker; `waiting` is idle. */
export type ChatStatus = (typeof CHAT_STATUSES)[number];

export const COMMANDS = ['confined', 'unconfined', 'refused'] as const;

/** What becomes of the agent's commands: they run in a sandbox, with the user's rights, or not at all. */
export type Commands = (typeof COMMANDS)[number];

export const ROLES = ['system', 'user', 'assistant', 'tool'] as const;
export type Role = (typeof ROLES)[number];

/** Something that the agent can do, if nobody switched it off. */
export interface ICapability {
  /** `shell`, `file_writes`, `subagents`, `desktop`, `mcp`, … or a newer word. */
  readonly name: string;
  readonly isEnabled: boolean;
  /** Whether whoever runs the server decided it, not the user. */
  readonly isForced: boolean;
}

export interface IRunError {
  /** What to do about it. */
  readonly message: string;
  /** `auth`, `config`, `rate_limit`, `overloaded`, … or a newer word. */
  readonly kind: string;
  readonly retryable: boolean;
  /** What the vendor said. */
  readonly detail: string | undefined;
}

export interface IChat {
  readonly id: string;
  /** Its own id when it is no subagent's. */
  readonly rootChatId: string;
  readonly parentChatId: string | undefined;
  readonly title: string;
  readonly status: ChatStatus;
  readonly lastError: IRunError | undefined;
  /** `provider:model`. */
  readonly model: string;
  readonly planMode: boolean;
  /** Whether calls that change something wait until somebody allows them. */
  readonly asks: boolean;
  /** Only one chat that is asked for by its id says so, and not while its workspace is away. */
  readonly commands: Commands | undefined;
  readonly updatedAt: string;
  /** Grows with what happens in the chat. */
  readonly snapshotVersion: number;
  readonly archived: boolean;
  /** 0 is not pinned. */
  readonly pinOrder: number;
  readonly hasUnread: boolean;
}

export interface ITextPart {
  readonly type: 'text';
  readonly text: string;
}

export interface IReasoningPart {
  readonly type: 'reasoning';
  readonly text: string;
  readonly createdAt: string | undefined;
  readonly completedAt: string | undefined;
}

export interface IToolCallPart {
  readonly type: 'tool-call';
  readonly callId: string;
  readonly toolName: string;
  /** Any JSON, mostly an object; `undefined` while the arguments are streamed. */
  readonly args: unknown;
  /** The arguments' text as far as it was streamed. */
  readonly argsText: string;
  readonly providerExecuted: boolean;
}

export interface IToolResultPart {
  readonly type: 'tool-result';
  readonly callId: string;
  readonly toolName: string;
  /** Any JSON; `undefined` while the tool runs. */
  readonly result: unknown;
  /** The output as far as it was streamed. */
  readonly output: string;
  readonly isError: boolean;
  /** `result` is `{data, mime_type, text}` with base64. */
  readonly isMedia: boolean;
}

export interface ISourcePart {
  readonly type: 'source';
  readonly url: string;
  readonly title: string | undefined;
}

export interface IFilePart {
  readonly type: 'file';
  readonly mediaType: string;
  readonly fileId: string | undefined;
  /** Base64, of files that are not stored. */
  readonly data: string | undefined;
  readonly name: string | undefined;
}

export interface IFileReferencePart {
  readonly type: 'file-reference';
  readonly fileName: string;
  readonly startLine: number | undefined;
  readonly endLine: number | undefined;
  readonly content: string | undefined;
}

/** A part that is not shown in full: context of the workspace, or of a newer server. */
export interface IOtherPart {
  readonly type: 'other';
  /** The server's word for it. */
  readonly word: string;
  readonly name: string | undefined;
}

export type Part =
  | ITextPart
  | IReasoningPart
  | IToolCallPart
  | IToolResultPart
  | ISourcePart
  | IFilePart
  | IFileReferencePart
  | IOtherPart;

/** Tokens of one model call; what the vendor did not say is `undefined`. */
export interface IUsage {
  /** Without cached tokens. */
  readonly inputTokens: number | undefined;
  readonly outputTokens: number | undefined;
  readonly cacheReadTokens: number | undefined;
  readonly cacheCreationTokens: number | undefined;
  /** The model's. */
  readonly contextLimit: number | undefined;
}

export interface IMessage {
  /** Grows and is never reused: the cursor of pages and streams. */
  readonly id: number;
  readonly role: Role;
  readonly content: readonly Part[];
  readonly createdAt: string;
  /** What the client that sent it calls it. */
  readonly clientMessageId: string | undefined;
  readonly model: string | undefined;
  readonly usage: IUsage | undefined;
  /** Millionths of a US dollar. */
  readonly costMicros: number | undefined;
  readonly runtimeMs: number | undefined;
  /** `end`, `tool_calls`, `length`, `content_filter`, `paused`, `interrupted` or a newer word. */
  readonly stopReason: string | undefined;
  /** A summary of what came before. */
  readonly compressed: boolean;
}

export interface IQueuedMessage {
  readonly id: number;
  readonly content: readonly Part[];
}

/** Names one tool call: the assistant's message and the call's index among its parts. */
export interface ICallKey {
  readonly messageId: number;
  readonly callIndex: number;
}

/** One thing that a chat in `requires_action` waits for. */
export interface IAction extends ICallKey {
  /** `client_tool`, `approval`, `question` or a newer word. */
  readonly kind: string;
  readonly callId: string;
  readonly toolName: string;
  readonly args: unknown;
  readonly claimedBy: string | undefined;
}

/** The model call failed and is tried again. */
export interface IRetry {
  /** 1 for the first retry. */
  readonly attempt: number;
  readonly error: string;
  readonly retryingAt: string;
}

/** How a subagent stands, as its parent's stream tells it. */
export interface IChildState {
  readonly id: string;
  readonly title: string;
  readonly status: ChatStatus;
  readonly lastError: IRunError | undefined;
}

/** What a chat and its children used and cost so far. */
export interface IUsageTotals {
  /** Without unpriced calls; `undefined` when no call has a price. */
  readonly costMicros: number | undefined;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly cacheReadTokens: number;
  readonly cacheCreationTokens: number;
}
