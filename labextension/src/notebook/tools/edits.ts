/** Changes of a cell's text. Pure. */

import { fieldsOf, listField } from '../../model/tools.js';
import { optionalText, ToolProblem, textArgument } from './arguments.js';

/** Returns what becomes of *before* by the arguments of `edit_cell`. */
export function edited(before: string, args: unknown): string {
  const source = optionalText(args, 'source');
  const edits = listField(args, 'edits');
  if ((source === undefined) === (edits.length === 0)) {
    throw new ToolProblem('Expected edits, or source with old_source; came neither or both.');
  }
  return source === undefined ? replaced(before, edits) : rewritten(before, source, args);
}

/** The whole source is replaced only by somebody who knows what stands there. */
function rewritten(before: string, source: string, args: unknown): string {
  if (textArgument(args, 'old_source') !== before) {
    throw new ToolProblem(
      'The cell has another source than old_source: read it again, it may have been edited. It says now:\n' +
        before.slice(0, 3_000)
    );
  }
  return source;
}

function replaced(before: string, edits: readonly unknown[]): string {
  let text = before;
  edits.forEach((edit, index) => {
    const at = `edits[${index}]`;
    const search = textArgument(edit, 'search');
    const count = search ? text.split(search).length - 1 : 0;
    const isAll = fieldsOf(edit).replace_all === true;
    if (count === 0 || (count > 1 && !isAll)) {
      throw new ToolProblem(
        count > 1
          ? `${at}: search is found ${count} times. Give more of what stands around it, or replace_all. Nothing was changed.`
          : `${at}: search is not in the cell. Nothing was changed. The cell says now:\n${before.slice(0, 3_000)}`
      );
    }
    text = text.split(search).join(textArgument(edit, 'replace'));
  });
  return text;
}

export interface IRange {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** Returns the smallest range of *before* whose replacement gives *after*: cursors elsewhere stay. */
export function changedRange(before: string, after: string): IRange {
  const most = Math.min(before.length, after.length);
  let start = 0;
  while (start < most && before[start] === after[start]) {
    start += 1;
  }
  let end = 0;
  while (end < most - start && before[before.length - 1 - end] === after[after.length - 1 - end]) {
    end += 1;
  }
  return { start, end: before.length - end, text: after.slice(start, after.length - end) };
}
