/** File references that are begun with `@` while somebody writes. Pure. */

export interface IFolderEntry {
  readonly name: string;
  /** Relative to the server's folder. */
  readonly path: string;
  readonly isFolder: boolean;
}

/** An `@…` before the cursor. */
export interface IMention {
  /** Where the `@` stands. */
  readonly start: number;
  /** In which folder to look; empty for the server's. */
  readonly folder: string;
  /** How the name begins, or what stands in it. */
  readonly query: string;
}

const MOST_SHOWN = 12;
const BEGUN = /(?:^|[\s(])@([^\s@]*)$/;

/** Returns the mention in which the cursor stands, at *caret*, if it stands in one. */
export function mentionAt(text: string, caret: number): IMention | undefined {
  const match = BEGUN.exec(text.slice(0, caret));
  const written = match?.[1];
  if (written === undefined) {
    return undefined;
  }
  const slash = written.lastIndexOf('/');
  return {
    start: caret - written.length - 1,
    folder: written.slice(0, Math.max(0, slash)),
    query: written.slice(slash + 1)
  };
}

/** Returns the entries that *query* may mean: names that begin with it first; hidden ones when it asks for them. */
export function fitting(entries: readonly IFolderEntry[], query: string): readonly IFolderEntry[] {
  const wanted = query.toLowerCase();
  const rank = ({ name }: IFolderEntry) => (name.toLowerCase().startsWith(wanted) ? 0 : 1);
  return entries
    .filter(({ name }) => name.toLowerCase().includes(wanted))
    .filter(({ name }) => !name.startsWith('.') || wanted.startsWith('.'))
    .sort((one, other) => rank(one) - rank(other) || one.name.localeCompare(other.name))
    .slice(0, MOST_SHOWN);
}

/** Returns the text and the cursor after an entry was chosen: a folder goes on, a file is written out. */
export function completed(
  text: string,
  caret: number,
  { start }: IMention,
  entry: IFolderEntry
): { readonly text: string; readonly caret: number } {
  const written = entry.isFolder ? `@${entry.path}/` : `\`${entry.path}\` `;
  const rest = text.slice(caret);
  return { text: text.slice(0, start) + written + rest, caret: start + written.length };
}
