/**
 * Checks for JSON that came from a server: each takes an `unknown` and where it was found, and
 * returns it typed. Unknown fields are ignored, so that a newer server can say more.
 */

/** A reply that is not what the API promises: a different server, or a version we do not know. */
export class MalformedReplyError extends Error {
  constructor(
    readonly at: string,
    readonly expected: string,
    found: unknown
  ) {
    super(
      `Expected ${expected} at ${at}, got ${describe(found)}. ` +
        'Check that the server and this page run the same version of jupyter_chatd, then reload the page.'
    );
    this.name = 'MalformedReplyError';
  }
}

export type JSONFields = Readonly<Record<string, unknown>>;

export function asObject(value: unknown, at: string): JSONFields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new MalformedReplyError(at, 'an object', value);
  }
  return value as JSONFields;
}

export function asString(value: unknown, at: string): string {
  if (typeof value !== 'string') {
    throw new MalformedReplyError(at, 'a string', value);
  }
  return value;
}

export function asBoolean(value: unknown, at: string): boolean {
  if (typeof value !== 'boolean') {
    throw new MalformedReplyError(at, 'true or false', value);
  }
  return value;
}

export function asNumber(value: unknown, at: string): number {
  if (typeof value !== 'number') {
    throw new MalformedReplyError(at, 'a number', value);
  }
  return value;
}

/** Returns *value* when it is one of *words*. */
export function asOneOf<T extends string>(value: unknown, at: string, words: readonly T[]): T {
  if (!words.includes(value as T)) {
    throw new MalformedReplyError(at, `one of ${words.join(', ')}`, value);
  }
  return value as T;
}

/** Decodes *value* with *decode*, or returns `undefined` where there is nothing: the API leaves out what is empty. */
export function optional<T>(
  value: unknown,
  at: string,
  decode: (value: unknown, at: string) => T
): T | undefined {
  return value == null ? undefined : decode(value, at);
}

/** Decodes every item with *decode*, which is told its index: `providers[2]`. */
export function asList<T>(value: unknown, at: string, decode: (item: unknown, at: string) => T): T[] {
  if (!Array.isArray(value)) {
    throw new MalformedReplyError(at, 'a list', value);
  }
  return value.map((item, index) => decode(item, `${at}[${index}]`));
}

/** What *value* is, never what it holds: an error may end up in a log. */
function describe(value: unknown): string {
  if (value === undefined) {
    return 'nothing';
  }
  if (value === null) {
    return 'null';
  }
  return Array.isArray(value) ? 'a list' : `a value of type ${typeof value}`;
}
