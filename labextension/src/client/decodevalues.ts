/** From the API's JSON to `values.ts`, checked. */

import {
  asBoolean,
  asList,
  asNumber,
  asObject,
  asOneOf,
  asString,
  type JSONFields,
  optional
} from './decode.js';
import {
  CHAT_STATUSES,
  COMMANDS,
  type Commands,
  type IAction,
  type ICapability,
  type IChat,
  type IChildState,
  type IMessage,
  type IQueuedMessage,
  type IRetry,
  type IRunError,
  type IUsage,
  type IUsageTotals,
  type Part,
  ROLES
} from './values.js';

export function decodeChat(value: unknown, at: string): IChat {
  const fields = asObject(value, at);
  return {
    id: asString(fields.id, `${at}.id`),
    rootChatId: asString(fields.root_chat_id, `${at}.root_chat_id`),
    parentChatId: optional(fields.parent_chat_id, `${at}.parent_chat_id`, asString),
    title: asString(fields.title, `${at}.title`),
    status: asOneOf(fields.status, `${at}.status`, CHAT_STATUSES),
    lastError: optional(fields.last_error, `${at}.last_error`, decodeRunError),
    model: asString(fields.model, `${at}.model`),
    planMode: optional(fields.plan_mode, `${at}.plan_mode`, asString) === 'plan',
    asks: asString(fields.approval_mode, `${at}.approval_mode`) === 'ask',
    commands: optional(fields.commands, `${at}.commands`, asCommands),
    updatedAt: asString(fields.updated_at, `${at}.updated_at`),
    snapshotVersion: asNumber(fields.snapshot_version, `${at}.snapshot_version`),
    archived: asBoolean(fields.archived, `${at}.archived`),
    pinOrder: asNumber(fields.pin_order, `${at}.pin_order`),
    hasUnread: asBoolean(fields.has_unread, `${at}.has_unread`)
  };
}

function asCommands(value: unknown, at: string): Commands {
  return asOneOf(value, at, COMMANDS);
}

export function decodeCapabilities(value: unknown, at: string): ICapability[] {
  return Object.entries(asObject(value, at)).map(([name, said]) => {
    const fields = asObject(said, `${at}.${name}`);
    return {
      name,
      isEnabled: asBoolean(fields.enabled, `${at}.${name}.enabled`),
      isForced: asString(fields.policy, `${at}.${name}.policy`) !== 'user'
    };
  });
}

export function decodeRunError(value: unknown, at: string): IRunError {
  const fields = asObject(value, at);
  return {
    message: asString(fields.message, `${at}.message`),
    kind: asString(fields.kind, `${at}.kind`),
    retryable: asBoolean(fields.retryable, `${at}.retryable`),
    detail: optional(fields.detail, `${at}.detail`, asString)
  };
}

export function decodeMessage(value: unknown, at: string): IMessage {
  const fields = asObject(value, at);
  return {
    id: asNumber(fields.id, `${at}.id`),
    role: asOneOf(fields.role, `${at}.role`, ROLES),
    content: asList(fields.content, `${at}.content`, decodePart),
    createdAt: asString(fields.created_at, `${at}.created_at`),
    clientMessageId: optional(fields.client_message_id, `${at}.client_message_id`, asString),
    model: optional(fields.model, `${at}.model`, asString),
    usage: optional(fields.usage, `${at}.usage`, decodeUsage),
    costMicros: optional(fields.total_cost_micros, `${at}.total_cost_micros`, asNumber),
    runtimeMs: optional(fields.runtime_ms, `${at}.runtime_ms`, asNumber),
    stopReason: optional(fields.stop_reason, `${at}.stop_reason`, asString),
    compressed: isSet(fields.compressed, `${at}.compressed`)
  };
}

export function decodeQueued(value: unknown, at: string): IQueuedMessage {
  const fields = asObject(value, at);
  return {
    id: asNumber(fields.id, `${at}.id`),
    content: asList(fields.content, `${at}.content`, decodePart)
  };
}

export function decodeAction(value: unknown, at: string): IAction {
  const fields = asObject(value, at);
  return {
    kind: asString(fields.kind, `${at}.kind`),
    messageId: asNumber(fields.message_id, `${at}.message_id`),
    callIndex: asNumber(fields.call_index, `${at}.call_index`),
    callId: asString(fields.tool_call_id, `${at}.tool_call_id`),
    toolName: asString(fields.tool_name, `${at}.tool_name`),
    args: fields.args,
    claimedBy: optional(fields.claimed_by, `${at}.claimed_by`, asString)
  };
}

export function decodeRetry(value: unknown, at: string): IRetry {
  const fields = asObject(value, at);
  return {
    attempt: asNumber(fields.attempt, `${at}.attempt`),
    error: asString(fields.error, `${at}.error`),
    retryingAt: asString(fields.retrying_at, `${at}.retrying_at`)
  };
}

export function decodeChild(value: unknown, at: string): IChildState {
  const fields = asObject(value, at);
  return {
    id: asString(fields.id, `${at}.id`),
    title: asString(fields.title, `${at}.title`),
    status: asOneOf(fields.status, `${at}.status`, CHAT_STATUSES),
    lastError: optional(fields.last_error, `${at}.last_error`, decodeRunError)
  };
}

export function decodeTotals(value: unknown, at: string): IUsageTotals {
  const fields = asObject(value, at);
  return {
    costMicros: optional(fields.total_cost_micros, `${at}.total_cost_micros`, asNumber),
    inputTokens: asNumber(fields.total_input_tokens, `${at}.total_input_tokens`),
    outputTokens: asNumber(fields.total_output_tokens, `${at}.total_output_tokens`),
    cacheReadTokens: asNumber(fields.total_cache_read_tokens, `${at}.total_cache_read_tokens`),
    cacheCreationTokens: asNumber(fields.total_cache_creation_tokens, `${at}.total_cache_creation_tokens`)
  };
}

function decodeUsage(value: unknown, at: string): IUsage {
  const fields = asObject(value, at);
  return {
    inputTokens: optional(fields.input_tokens, `${at}.input_tokens`, asNumber),
    outputTokens: optional(fields.output_tokens, `${at}.output_tokens`, asNumber),
    cacheReadTokens: optional(fields.cache_read_tokens, `${at}.cache_read_tokens`, asNumber),
    cacheCreationTokens: optional(fields.cache_creation_tokens, `${at}.cache_creation_tokens`, asNumber),
    contextLimit: optional(fields.context_limit, `${at}.context_limit`, asNumber)
  };
}

/** Returns a part of a message; one that a newer server invented becomes `other`. */
export function decodePart(value: unknown, at: string): Part {
  const fields = asObject(value, at);
  const type = asString(fields.type, `${at}.type`);
  const decode = PARTS[type];
  return decode?.(fields, at) ?? { type: 'other', word: type, name: undefined };
}

const PARTS: Readonly<Record<string, (fields: JSONFields, at: string) => Part>> = {
  text: (fields, at) => ({ type: 'text', text: text(fields.text, `${at}.text`) }),
  reasoning: (fields, at) => ({
    type: 'reasoning',
    text: text(fields.text, `${at}.text`),
    createdAt: optional(fields.created_at, `${at}.created_at`, asString),
    completedAt: optional(fields.completed_at, `${at}.completed_at`, asString)
  }),
  'tool-call': (fields, at) => ({
    type: 'tool-call',
    callId: text(fields.tool_call_id, `${at}.tool_call_id`),
    toolName: text(fields.tool_name, `${at}.tool_name`),
    args: fields.args,
    argsText: text(fields.args_delta, `${at}.args_delta`),
    providerExecuted: isSet(fields.provider_executed, `${at}.provider_executed`)
  }),
  'tool-result': (fields, at) => ({
    type: 'tool-result',
    callId: text(fields.tool_call_id, `${at}.tool_call_id`),
    toolName: text(fields.tool_name, `${at}.tool_name`),
    result: fields.result,
    output: text(fields.result_delta, `${at}.result_delta`),
    isError: isSet(fields.is_error, `${at}.is_error`),
    isMedia: isSet(fields.is_media, `${at}.is_media`)
  }),
  source: (fields, at) => ({
    type: 'source',
    url: text(fields.url, `${at}.url`),
    title: optional(fields.title, `${at}.title`, asString)
  }),
  file: (fields, at) => ({
    type: 'file',
    mediaType: text(fields.media_type, `${at}.media_type`),
    fileId: optional(fields.file_id, `${at}.file_id`, asString),
    data: optional(fields.data, `${at}.data`, asString),
    name: optional(fields.name, `${at}.name`, asString)
  }),
  'file-reference': (fields, at) => ({
    type: 'file-reference',
    fileName: text(fields.file_name, `${at}.file_name`),
    startLine: optional(fields.start_line, `${at}.start_line`, asNumber),
    endLine: optional(fields.end_line, `${at}.end_line`, asNumber),
    content: optional(fields.content, `${at}.content`, asString)
  }),
  'context-file': (fields, at) => ({
    type: 'other',
    word: 'context-file',
    name: optional(fields.context_file_path, `${at}.context_file_path`, asString)
  }),
  skill: (fields, at) => ({
    type: 'other',
    word: 'skill',
    name: optional(fields.skill_name, `${at}.skill_name`, asString)
  })
};

/** Text that the API leaves out when it is empty. */
function text(value: unknown, at: string): string {
  return optional(value, at, asString) ?? '';
}

/** A flag that the API leaves out when it is false. */
function isSet(value: unknown, at: string): boolean {
  return optional(value, at, asBoolean) ?? false;
}
