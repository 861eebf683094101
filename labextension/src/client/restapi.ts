/**
 * Stateless calls of the REST API. Nothing here imports JupyterLab: callers bring the function that
 * knows the server's address and credentials, so this also runs in plain node.
 */

import { asBoolean, asList, asObject, asString, MalformedReplyError, optional } from './decode.js';

/** Where the routes are, relative to the server's base URL. */
export const CHATS = 'api/experimental/chats';
const NO_SUCH_ROUTE =
  'The server runs without jupyter_chatd: check its log and the output of "jupyter server extension list".';

/** Sends a request for *path*, which is relative to the server's base URL; a GET when there is no *init*. */
export type Fetch = (path: string, init?: RequestInit) => Promise<Response>;

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
    message: string,
    /** The server's own words for a person, where it had some. */
    readonly sentence?: string | undefined
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
export async function listProviders(fetch: Fetch): Promise<IProvider[]> {
  return [...(await getCatalog(fetch)).providers];
}

/** What can be chosen, and what is when nobody chooses. */
export interface ICatalog {
  readonly providers: readonly IProvider[];
  /** `provider:model`. */
  readonly defaultModel: string;
}

/** Returns the models of all providers. Throws as `listProviders`. */
export async function getCatalog(fetch: Fetch): Promise<ICatalog> {
  const reply = asObject(await getJSON(fetch, `${CHATS}/models`), 'the reply');
  return {
    providers: asList(reply.providers, 'providers', decodeProvider),
    defaultModel: optional(reply.default_model, 'default_model', asString) ?? ''
  };
}

/**
 * Returns the version of Jupyter Server, such as `2.21.1`.
 *
 * @throws ResponseError, MalformedReplyError as `listProviders`.
 */
export async function getServerVersion(fetch: Fetch): Promise<string> {
  const reply = asObject(await getJSON(fetch, 'api'), 'the reply');
  return asString(reply.version, 'version');
}

/** Returns the JSON at *path*. Throws as `listProviders`. */
export function getJSON(fetch: Fetch, path: string): Promise<unknown> {
  return requestJSON(fetch, 'GET', path);
}

/**
 * Sends *body* as JSON and returns the JSON of the reply, `undefined` for one without a body.
 *
 * @throws ResponseError when the server refuses.
 * @throws MalformedReplyError when the reply is not JSON.
 */
export async function requestJSON(
  fetch: Fetch,
  method: string,
  path: string,
  body?: unknown
): Promise<unknown> {
  const init = body === undefined ? { method } : { method, body: JSON.stringify(body) };
  return readJSON(await fetch(path, init), `${method} ${path}`);
}

/** Returns the JSON of *response*, which answers what *asked* names. Throws as `requestJSON`. */
export async function readJSON(response: Response, asked: string): Promise<unknown> {
  const text = await response.text();
  if (!response.ok) {
    throw refusal(response, text, asked);
  }
  if (response.status === 204) {
    return undefined;
  }
  try {
    return JSON.parse(text);
  } catch {
    throw new MalformedReplyError('the reply', 'JSON', text);
  }
}

/** Returns the error for a reply with *text* whose status is not 2xx. */
export function refusal(response: Response, text: string, asked: string): ResponseError {
  return new ResponseError(response.status, explain(response, text, asked), sentenceOf(text));
}

function explain(response: Response, text: string, asked: string): string {
  const status = `${asked} answered ${response.status} ${response.statusText}`.trimEnd();
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
