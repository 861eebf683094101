/** The cells of a notebook, open or not, and how they are told to a model. Pure. */

import type { IOutput } from '@jupyterlab/nbformat';

import { errorOfOutputs, pictureOf, textOfAll } from '../outputs.js';
import { ToolProblem } from './arguments.js';

export const CELL_TYPES = ['code', 'markdown', 'raw'] as const;
export type CellType = (typeof CELL_TYPES)[number];

export interface ICell {
  readonly id: string;
  readonly type: string;
  readonly source: string;
  readonly outputs: readonly IOutput[];
  readonly executionCount: number | undefined;
  /** It runs now, or waits for the kernel. */
  readonly isRunning: boolean;
  readonly isEditable: boolean;
  readonly isDeletable: boolean;
}

/** What is done to a notebook: one step of its undo. */
export type Change =
  | { readonly kind: 'edit'; readonly id: string; readonly before: string; readonly after: string }
  | {
      readonly kind: 'insert';
      readonly index: number;
      readonly type: CellType;
      readonly source: string;
    }
  | { readonly kind: 'delete'; readonly id: string }
  /** To where it is in the end. */
  | { readonly kind: 'move'; readonly id: string; readonly index: number };

/** A notebook as the tools see it. */
export interface INotebook {
  readonly path: string;
  /** Open in this page; else it is the file. */
  readonly isOpen: boolean;
  cells(): Promise<readonly ICell[]>;
  /** Makes a change to what `cells` gave last; returns the id of the cell. Throws `ToolProblem`. */
  change(change: Change): Promise<string>;
}

export const BRIEF = { source: 3_000, output: 800 } as const; // characters of each cell
export const WHOLE = { source: 30_000, output: 30_000 } as const;
export const MOST_TEXT = 40_000; // characters of one reading

export interface ILimits {
  readonly source: number;
  readonly output: number;
}

/** Returns where a cell is that is named by its id, or by its number from 1. */
export function placeOf(cells: readonly ICell[], name: string): number {
  const wanted = name.trim();
  const place = cells.findIndex(({ id }) => id === wanted);
  const number = /^#?\d+$/.test(wanted) ? Number(wanted.replace('#', '')) : 0;
  const found = place >= 0 ? place : number - 1;
  if (found < 0 || found >= cells.length) {
    throw new ToolProblem(
      `There is no cell ${wanted || '(empty)'}: the notebook has ${cells.length}. read_notebook tells their ids.`
    );
  }
  return found;
}

/** Returns a cell as the model reads it; *place* counts from 0. */
export function told(cell: ICell, place: number, limits: ILimits): Readonly<Record<string, unknown>> {
  const output = textOfAll(cell.outputs);
  const pictures = cell.outputs.filter(pictureOf).length;
  return {
    cell: cell.id,
    number: place + 1,
    type: cell.type,
    source: shortened(cell.source, limits.source),
    ...(cell.executionCount !== undefined && { execution_count: cell.executionCount }),
    ...(cell.isRunning && { running: true }),
    ...(output && { output: shortenedOutput(output, limits.output) }),
    ...(errorOfOutputs(cell.outputs) !== undefined && { error: errorOfOutputs(cell.outputs) }),
    ...(pictures > 0 && { pictures })
  };
}

/** Returns as many cells from *first* (from 0) as one reading may have, at most *count*. */
export function page(
  cells: readonly ICell[],
  first: number,
  count: number
): readonly Readonly<Record<string, unknown>>[] {
  const read: Readonly<Record<string, unknown>>[] = [];
  let size = 0;
  for (const [index, cell] of cells.slice(first, first + count).entries()) {
    const one = told(cell, first + index, BRIEF);
    size += JSON.stringify(one).length;
    if (size > MOST_TEXT && read.length > 0) {
      break;
    }
    read.push(one);
  }
  return read;
}

/** Cuts the end off, and says so. */
export function shortened(text: string, most: number): string {
  return text.length > most
    ? `${text.slice(0, most)}\n… (${text.length - most} more characters: read_cell)`
    : text;
}

/** Keeps the beginning and, as errors end with what went wrong, the end. */
function shortenedOutput(text: string, most: number): string {
  if (text.length <= most) {
    return text;
  }
  const head = Math.floor(most / 2);
  return `${text.slice(0, head)}\n… (${text.length - most} characters left out) …\n${text.slice(head - most)}`;
}
