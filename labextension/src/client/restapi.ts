/**
 * Stateless calls of the REST API. Nothing here imports JupyterLab: callers bring the function that
 * knows the server's address and credentials, so this also runs in plain node.
 */

import { asBoolean, asList, asObject, asString, MalformedReplyError } from './decode.js';

const CHATS = 'api/experimental/chats';
const NO_SUCH_ROUTE =
  'The server runs without jupyter_chatd: check its log and the output of "jupyter server extension list".';

/** Sends a GET for *path*, which is relative to the server's base URL. */
export type Get = (path: string) => Promise<Response>;

export interface IModel {
  /** What a request names: `provider:model`. */
  readonly id: string;
  readonly displayName: string;
}

export interface IProvider {
  /** What stands before the colon in the ids of its models. */
  readonly name: string;
  readonly displayName: string;
  readonly available: boolean;
  /** `missing_api_key`, `fetch_failed` or a newer word; only when not available. */
  readonly unavailableReason?: string;
  readonly models: readonly IModel[];
}

/** The server answered with a status other than 2xx. */
export class ResponseError extends Error {
  constructor(
    readonly status: number,
    message: string
  ) {
    super(message);
    this.name = 'ResponseError';
  }
}

/**
 * Returns every provider that the server knows, also those that lack a key.
 *
 * @throws ResponseError when the server refuses, with 404 when it runs without jupyter_chatd.
 * @throws MalformedReplyError when the reply is not a model listing.
 */
export async function listProviders(get: Get): Promise<IProvider[]> {
  const reply = asObject(await getJSON(get, `${CHATS}/models`), 'the reply');
  return asList(reply.providers, 'providers', decodeProvider);
}

/**
 * Returns the version of Jupyter Server, such as `2.21.1`.
 *
 * @throws ResponseError, MalformedReplyError as `listProviders`.
 */
export async function getServerVersion(get: Get): Promise<string> {
  const reply = asObject(await getJSON(get, 'api'), 'the reply');
  return asString(reply.version, 'version');
}

async function getJSON(get: Get, path: string): Promise<unknown> {
  const response = await get(path);
  const text = await response.text();
  if (!response.ok) {
    throw new ResponseError(response.status, explain(response, text, path));
  }
  try {
    return JSON.parse(text);
  } catch {
    throw new MalformedReplyError('the reply', 'JSON', text);
  }
}

function explain(response: Response, text: string, path: string): string {
  const status = `GET ${path} answered ${response.status} ${response.statusText}`.trimEnd();
  const message = sentenceOf(text);
  if (message !== undefined) {
    return `${status}: ${message}`;
  }
  return response.status === 404 ? `${status}. ${NO_SUCH_ROUTE}` : status;
}

/** The server's own sentence, `{message, detail?}`; a page for an unknown route, or of a proxy, has none. */
function sentenceOf(text: string): string | undefined {
  try {
    return asString(asObject(JSON.parse(text), 'the reply').message, 'message');
  } catch {
    return undefined;
  }
}

function decodeProvider(value: unknown, at: string): IProvider {
  const fields = asObject(value, at);
  const reason = fields.unavailable_reason;
  return {
    name: asString(fields.provider, `${at}.provider`),
    displayName: asString(fields.display_name, `${at}.display_name`),
    available: asBoolean(fields.available, `${at}.available`),
    ...(reason != null && { unavailableReason: asString(reason, `${at}.unavailable_reason`) }),
    models: asList(fields.models, `${at}.models`, decodeModel)
  };
}

function decodeModel(value: unknown, at: string): IModel {
  const fields = asObject(value, at);
  return {
    id: asString(fields.id, `${at}.id`),
    displayName: asString(fields.display_name, `${at}.display_name`)
  };
}
