/** The calls of the REST API that concern chats: stateless, checked, and free of JupyterLab. */

import { asList, asObject, asString, optional } from './decode.js';
import { decodeCapabilities, decodeChat, decodeMessage, decodeQueued, decodeTotals } from './decodevalues.js';
import { CHATS, type Fetch, getJSON, readJSON, refusal, requestJSON } from './restapi.js';
import type { ICallKey, ICapability, IChat, IMessage, IQueuedMessage, IUsageTotals } from './values.js';

export type InputPart =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'file'; readonly file_id: string }
  | {
      readonly type: 'file-reference';
      readonly file_name: string;
      readonly start_line?: number | undefined;
      readonly end_line?: number | undefined;
      readonly content?: string | undefined;
    };

/** What may be said about a new chat; the server decides about what is left out. */
export interface IChatOptions {
  /** `provider:model`. */
  readonly model?: string | undefined;
  /** How much the model shall think; empty leaves it to the model. */
  readonly effort?: string;
  readonly planMode?: boolean | undefined;
  readonly asks?: boolean | undefined;
}

export interface ISendOptions {
  /** As of a new chat. */
  readonly effort?: string;
  /** `interrupt` ends the turn that runs; both queue the message while one does. */
  readonly busyBehavior?: 'queue' | 'interrupt';
}

export interface IChatChanges {
  readonly title?: string;
  readonly archived?: boolean;
  readonly model?: string;
  readonly planMode?: boolean;
  readonly asks?: boolean;
  /** 0 unpins. */
  readonly pinOrder?: number;
}

/**
 * About a call: allow it as its rule says, or this `once`, or all calls of its tool in this `chat`; or deny it.
 */
export type Decision = 'allow' | 'once' | 'chat' | 'deny';

/** Where a sent message went; neither when it was a command such as `/clear`. */
export interface ISent {
  readonly message: IMessage | undefined;
  readonly queued: IQueuedMessage | undefined;
}

export interface IListQuery {
  /** 1-200. */
  readonly limit?: number;
  /** Words of title or messages. */
  readonly words?: string;
  readonly archived?: boolean;
}

/** A tool that a page runs, as the model is told of it. */
export interface IToolDeclaration {
  /** 1-64 letters, digits, `_` or `-`. */
  readonly name: string;
  readonly description: string;
  /** JSON Schema of the arguments, an object's. */
  readonly inputSchema: object;
}

/** What a tool of a page gave back. */
export interface IOutcome {
  /** JSON; of a failure `{error}`. */
  readonly result: unknown;
  readonly isError?: boolean;
  /** The result is `{data, mime_type, text, more?}`: pictures for the model to look at. */
  readonly isMedia?: boolean;
}

/** The tools that go with what is sent from this page. */
export interface IOffer {
  declarations(): readonly IToolDeclaration[];
  /** Returns a name for a message that is sent now; it comes back with the message. */
  name(): string;
}

/**
 * The chats of one server. Every method throws `ResponseError` when the server refuses, `MalformedReplyError`
 * when it answers with something else than the API promises, and what `fetch` throws when it cannot be reached.
 */
export class ChatAPI {
  constructor(
    private readonly fetch: Fetch,
    private readonly offer?: IOffer
  ) {}

  /** Returns chats that are no subagents', newest change first. */
  async list({ limit = 50, words = '', archived = false }: IListQuery = {}): Promise<IChat[]> {
    const query = new URLSearchParams({ limit: String(limit), archived: String(archived) });
    if (words) {
      query.set('q', words);
    }
    return asList(await getJSON(this.fetch, `${CHATS}?${query}`), 'the reply', decodeChat);
  }

  async get(chatId: string): Promise<IChat> {
    return decodeChat(await getJSON(this.fetch, pathOf(chatId)), 'the reply');
  }

  /** Makes a chat; its first turn begins at once. */
  async create(content: readonly InputPart[], options: IChatOptions = {}): Promise<IChat> {
    const body = {
      content,
      client_type: 'ui',
      ...(options.model && { model: options.model }),
      ...(options.effort && { reasoning_effort: options.effort }),
      ...(options.planMode && { plan_mode: 'plan' }),
      ...(options.asks !== undefined && { approval_mode: approvalMode(options.asks) }),
      ...this.offered(),
      ...this.named()
    };
    return decodeChat(await requestJSON(this.fetch, 'POST', CHATS, body), 'the reply');
  }

  async change(chatId: string, changes: IChatChanges): Promise<void> {
    const { planMode, asks, pinOrder, ...rest } = changes;
    await requestJSON(this.fetch, 'PATCH', pathOf(chatId), {
      ...rest,
      ...(planMode !== undefined && { plan_mode: planMode ? 'plan' : '' }),
      ...(asks !== undefined && { approval_mode: approvalMode(asks) }),
      ...(pinOrder !== undefined && { pin_order: pinOrder })
    });
  }

  async children(chatId: string): Promise<IChat[]> {
    return asList(await getJSON(this.fetch, `${pathOf(chatId)}/children`), 'the reply', decodeChat);
  }

  /** Sends into the history of an idle chat, else into its queue. */
  async send(
    chatId: string,
    content: readonly InputPart[],
    { effort, busyBehavior = 'queue' }: ISendOptions = {}
  ): Promise<ISent> {
    const body = {
      content,
      busy_behavior: busyBehavior,
      ...(effort && { reasoning_effort: effort }),
      ...this.offered(),
      ...this.named()
    };
    return decodeSent(await requestJSON(this.fetch, 'POST', `${pathOf(chatId)}/messages`, body));
  }

  /** Replaces a message of the user and all that followed; returns what was queued, which no longer is. */
  async edit(chatId: string, messageId: number, content: readonly InputPart[]): Promise<IQueuedMessage[]> {
    const body = { content, ...this.named() };
    const path = `${pathOf(chatId)}/messages/${messageId}`;
    return decodeDropped(await requestJSON(this.fetch, 'PATCH', path, body));
  }

  /** Stops what runs, and its subagents; returns what was queued, which no longer is. */
  async stop(chatId: string): Promise<IQueuedMessage[]> {
    const path = `${pathOf(chatId)}/interrupt`;
    return decodeDropped(await requestJSON(this.fetch, 'POST', path, { queue: 'drop' }));
  }

  /** Takes a queued message back; also when it is gone. */
  async unqueue(chatId: string, queuedId: number): Promise<void> {
    await requestJSON(this.fetch, 'DELETE', `${pathOf(chatId)}/queue/${queuedId}`);
  }

  /** Puts a queued message first and interrupts what runs. */
  async promote(chatId: string, queuedId: number): Promise<ISent> {
    const path = `${pathOf(chatId)}/queue/${queuedId}/promote`;
    return decodeSent(await requestJSON(this.fetch, 'POST', path, {}));
  }

  async decide(chatId: string, call: ICallKey, decision: Decision): Promise<void> {
    const body = { ...callRef(call), ...DECISIONS[decision] };
    await requestJSON(this.fetch, 'POST', `${pathOf(chatId)}/approvals`, body);
  }

  /** Answers a call that waits for a client; *client* is who answers. */
  async answer(chatId: string, call: ICallKey, result: unknown, client: string): Promise<void> {
    const body = { client, results: [{ ...callRef(call), result }] };
    await requestJSON(this.fetch, 'POST', `${pathOf(chatId)}/tool-results`, body);
  }

  /** Takes calls on, all or none; throws `ResponseError` when another client has one of them. */
  async claim(chatId: string, calls: readonly ICallKey[], client: string): Promise<void> {
    await requestJSON(this.fetch, 'POST', `${pathOf(chatId)}/tool-results`, {
      client,
      claim: calls.map(callRef)
    });
  }

  /** Gives the result of a call that *client* has taken on; the page may be *leaving* meanwhile. */
  async finish(
    chatId: string,
    call: ICallKey,
    outcome: IOutcome,
    client: string,
    leaving = false
  ): Promise<void> {
    const { result, isError = false, isMedia = false } = outcome;
    const given = { ...callRef(call), result, is_error: isError, is_media: isMedia };
    const path = `${pathOf(chatId)}/tool-results`;
    const body = JSON.stringify({ client, results: [given] });
    await readJSON(await this.fetch(path, { method: 'POST', body, keepalive: leaving }), `POST ${path}`);
  }

  /** Returns what the chat and its children used and cost so far. */
  async usage(chatId: string): Promise<IUsageTotals> {
    return decodeTotals(await getJSON(this.fetch, `${pathOf(chatId)}/usage`), 'the reply');
  }

  /** Returns what the agent may do on this server. */
  async capabilities(): Promise<ICapability[]> {
    const reply = asObject(await getJSON(this.fetch, `${CHATS}/policy`), 'the reply');
    return decodeCapabilities(reply.capabilities, 'capabilities');
  }

  /** Keeps *data* as a file for messages, and returns its id. */
  async upload(data: Blob, name: string): Promise<string> {
    const path = `${CHATS}/files`;
    const headers = {
      'Content-Type': uploadType(data, name),
      'Content-Disposition': `attachment; filename*=UTF-8''${encodeURIComponent(name)}`
    };
    const response = await this.fetch(path, { method: 'POST', body: data, headers });
    return asString(asObject(await readJSON(response, `POST ${path}`), 'the reply').id, 'id');
  }

  /** Returns a stored file's text. */
  async fileText(fileId: string): Promise<string> {
    return (await this.file(fileId)).text();
  }

  /** Returns a stored file. */
  async fileBlob(fileId: string): Promise<Blob> {
    return (await this.file(fileId)).blob();
  }

  private async file(fileId: string): Promise<Response> {
    const path = filePath(fileId);
    const response = await this.fetch(path);
    if (!response.ok) {
      throw refusal(response, await response.text(), `GET ${path}`);
    }
    return response;
  }

  private named(): object {
    return this.offer ? { client_message_id: this.offer.name() } : {};
  }

  private offered(): object {
    const tools = this.offer?.declarations() ?? [];
    const declared = tools.map(({ name, description, inputSchema }) => ({
      name,
      description,
      input_schema: inputSchema
    }));
    return tools.length > 0 ? { client_tools: declared } : {};
  }
}

/** Returns where a stored file's bytes are, relative to the server's base URL. */
export function filePath(fileId: string): string {
  return `${CHATS}/files/${encodeURIComponent(fileId)}`;
}

/** Returns where the stream of a chat is; *cursor* is a query. */
export function streamPath(chatId: string, cursor: string): string {
  return `${pathOf(chatId)}/stream?${cursor}`;
}

/** Where the changes of all chats are told. */
export const WATCH_PATH = `${CHATS}/watch`;

const DECISIONS: Readonly<Record<Decision, object>> = {
  allow: { decision: 'allow' },
  once: { decision: 'allow', scope: 'once' },
  chat: { decision: 'allow', scope: 'chat' },
  deny: { decision: 'deny' }
};

const TYPED = /^(image\/(png|jpeg|gif|webp)|application\/(pdf|json)|text\/(plain|markdown|csv))$/;

/** Code, logs and the like are sent as plain text: the server looks whether they are. */
function uploadType(data: Blob, name: string): string {
  if (TYPED.test(data.type)) {
    return data.type;
  }
  return /\.(md|markdown)$/i.test(name) ? 'text/markdown' : 'text/plain';
}

function pathOf(chatId: string): string {
  return `${CHATS}/${encodeURIComponent(chatId)}`;
}

function approvalMode(asks: boolean): string {
  return asks ? 'ask' : 'auto';
}

function callRef({ messageId, callIndex }: ICallKey): object {
  return { message_id: messageId, call_index: callIndex };
}

function decodeDropped(value: unknown): IQueuedMessage[] {
  return asList(asObject(value, 'the reply').dropped, 'dropped', decodeQueued);
}

function decodeSent(value: unknown): ISent {
  const fields = asObject(value, 'the reply');
  return {
    message: optional(fields.message, 'message', decodeMessage),
    queued: optional(fields.queued_message, 'queued_message', decodeQueued)
  };
}
