/** Text that tools take and give, made fit to be looked at. Pure. */

// biome-ignore lint/suspicious/noControlCharactersInRegex: what terminals are told begins with one
const ESCAPE_SEQUENCE = /\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])/g;
const UNSEEN = /[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g;

/** Returns a terminal's output without colours, and of lines that were written over the last state. */
export function plainOutput(output: string): string {
  return output
    .replace(ESCAPE_SEQUENCE, '')
    .split('\n')
    .map(line => line.replace(/\r+$/, '').replace(/^.*\r/s, ''))
    .join('\n');
}

/**
 * Returns *text* with characters that cannot be seen, or that turn text around, spelled out: what somebody
 * allows must be what they read.
 */
export function withUnseen(text: string): string {
  return text.replace(UNSEEN, found => `⟨U+${hex(found)}⟩`);
}

function hex(character: string): string {
  return (character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0');
}

/** Returns the first *most* UTF-16 units of *text*, and no half character. */
export function head(text: string, most: number): string {
  return text.length > most ? text.slice(0, most).replace(/[\ud800-\udbff]$/, '') : text;
}

export interface ITail {
  readonly text: string;
  /** How many lines before it are left out. */
  readonly leftOut: number;
}

/** Returns the last *lines* lines of *text*, and of an endless line the last 20,000 characters. */
export function tail(text: string, lines: number): ITail {
  const all = text.replace(/\n+$/, '').split('\n');
  const leftOut = Math.max(0, all.length - lines);
  return { text: all.slice(leftOut).join('\n').slice(-20_000), leftOut };
}

export interface IDiffLine {
  readonly sign: '+' | '-' | ' ';
  readonly text: string;
}

/** Returns *before* and *after* as lines that stay, go and come; lines that both begin or end with stay. */
export function diffLines(before: string, after: string): IDiffLine[] {
  const old = linesOf(before);
  const now = linesOf(after);
  const most = Math.min(old.length, now.length);
  let head = 0;
  while (head < most && old[head] === now[head]) {
    head += 1;
  }
  let end = 0;
  while (end < most - head && old[old.length - 1 - end] === now[now.length - 1 - end]) {
    end += 1;
  }
  return [
    ...signed(' ', old.slice(0, head)),
    ...signed('-', old.slice(head, old.length - end)),
    ...signed('+', now.slice(head, now.length - end)),
    ...signed(' ', old.slice(old.length - end))
  ];
}

function linesOf(text: string): string[] {
  return text === '' ? [] : text.replace(/\n$/, '').split('\n');
}

function signed(sign: IDiffLine['sign'], lines: readonly string[]): IDiffLine[] {
  return lines.map(text => ({ sign, text }));
}

/** Returns a count with at most three digits: `950`, `12.3k`, `1.2M`. */
export function shortCount(count: number): string {
  if (count < 1000) {
    return String(count);
  }
  const [value, unit] = count < 999_500 ? [count / 1000, 'k'] : [count / 1_000_000, 'M'];
  return `${value < 100 ? value.toFixed(1) : value.toFixed(0)}${unit}`;
}

/** Returns dollars for millionths of one, with as many digits as tell something. */
export function shortCost(micros: number): string {
  const dollars = micros / 1_000_000;
  return `$${dollars.toFixed(dollars >= 1 || dollars === 0 ? 2 : dollars >= 0.01 ? 3 : 5)}`;
}
