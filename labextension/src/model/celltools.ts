/** What calls of the tools for notebooks say, for their cards. Pure. */

import type { IToolCallPart, IToolResultPart } from '../client/values.js';
import { type Fields, fieldsOf, listField, numberField, textField } from './tools.js';

export interface ICellDiff {
  readonly before: string;
  readonly after: string;
}

export interface ICellOutput {
  readonly cell: string;
  readonly number: number | undefined;
  readonly text: string;
}

/** A picture as an address that needs no server. */
export type PictureURL = string;

/** Returns the fields of a result; those of pictures stand in the words beside them. */
export function resultFields(result: IToolResultPart | undefined): Fields {
  if (!result?.isMedia) {
    return fieldsOf(result?.result);
  }
  try {
    return fieldsOf(JSON.parse(textField(result.result, 'text')));
  } catch {
    return {}; // words of another program
  }
}

/** Returns the pictures of a result, the first one first. */
export function picturesOf(result: IToolResultPart | undefined): readonly PictureURL[] {
  const media = result?.isMedia ? [result.result, ...listField(result.result, 'more')] : [];
  return media.flatMap(one => {
    const type = textField(one, 'mime_type');
    const data = textField(one, 'data');
    return /^image\/(png|jpeg|gif|webp)$/.test(type) && /^[A-Za-z0-9+/=]+$/.test(data)
      ? [`data:${type};base64,${data}`]
      : [];
  });
}

/** Returns what a call changes in the text of a cell. */
export function cellDiffs({ toolName, args }: IToolCallPart, result: Fields): readonly ICellDiff[] {
  switch (toolName) {
    case 'insert_cell':
      return [{ before: '', after: textField(args, 'source') }];
    case 'delete_cell':
      return result.old_source === undefined ? [] : [{ before: textField(result, 'old_source'), after: '' }];
    case 'edit_cell':
      return typeof fieldsOf(args).source === 'string'
        ? [{ before: textField(args, 'old_source'), after: textField(args, 'source') }]
        : listField(args, 'edits').map(edit => ({
            before: textField(edit, 'search'),
            after: textField(edit, 'replace')
          }));
    default:
      return [];
  }
}

/** Returns the cells that a call names: those to run, or the one that it is about. */
export function namedCells(args: unknown): readonly string[] {
  const cells = [...listField(args, 'cells'), fieldsOf(args).cell];
  return cells.filter(cell => typeof cell === 'string' || typeof cell === 'number').map(String);
}

/** Returns what cells gave that were run or read. */
export function cellOutputs(result: Fields): readonly ICellOutput[] {
  const cells = result.cells === undefined ? [result] : listField(result, 'cells');
  return cells.flatMap(cell => {
    const text = textField(cell, 'output');
    return text ? [{ cell: textField(cell, 'cell'), number: numberField(cell, 'number'), text }] : [];
  });
}

/** Returns the cell that a call was about in the end: of an insertion, the new one. */
export function cellOfResult(call: IToolCallPart, result: Fields): string | undefined {
  const [first] = listField(result, 'cells');
  const cell = textField(result, 'cell') || textField(first, 'cell');
  return cell || namedCells(call.args)[0];
}

/** Returns what is worth a line of a call that only did something; empty when nothing is. */
export function doneWords(result: Fields): string {
  return result.done === 'created' ? `Kernel: ${textField(result, 'kernel')}` : '';
}

/** Returns a line such as `Edit cell 3 of data.ipynb and run it`. */
export function cellTitle({ toolName, args }: IToolCallPart): string {
  const path = textField(args, 'path').split('/').pop();
  if (toolName === 'open_notebook' || toolName === 'create_notebook') {
    return `${toolName === 'open_notebook' ? 'Open' : 'Create'} ${path}`;
  }
  const cells = namedCells(args);
  const what = cells.length > 0 ? `cell${cells.length > 1 ? 's' : ''} ${cells.join(', ')}` : '';
  const words = [VERBS[toolName] ?? toolName, what, path && `of ${path}`, runs(args) && 'and run it'];
  return words.filter(Boolean).join(' ');
}

function runs(args: unknown): boolean {
  return fieldsOf(args).run === true;
}

const VERBS: Readonly<Record<string, string>> = {
  list_notebooks: 'List open notebooks',
  read_notebook: 'Read the notebook',
  read_cell: 'Read',
  insert_cell: 'Insert a cell',
  edit_cell: 'Edit',
  delete_cell: 'Delete',
  move_cell: 'Move',
  run_cells: 'Run',
  notebook_variables: 'Look at the notebook’s variables',
  interrupt_notebook_kernel: 'Interrupt the notebook’s kernel',
  restart_notebook_kernel: 'Restart the notebook’s kernel'
};
