import type { ICell as IFileCell, INotebookContent } from '@jupyterlab/nbformat';
import type { Contents } from '@jupyterlab/services';

import { fieldsOf } from '../../model/tools.js';
import { joined } from '../outputs.js';
import { ToolProblem } from './arguments.js';
import type { Change, ICell, INotebook } from './cells.js';

const CHANGED = 'The notebook was changed by somebody else just now, so nothing was saved: read it again.';

/** A notebook that is a file: it is saved only while it is what was read. Nothing undoes that. */
export class SavedNotebook implements INotebook {
  constructor(
    readonly path: string,
    private readonly contents: Pick<Contents.IManager, 'get' | 'save'>
  ) {}

  readonly isOpen = false;

  async cells(): Promise<readonly ICell[]> {
    const file = await this.contents.get(this.path, { type: 'notebook', content: true, hash: true });
    this.file = file;
    return fileCells(contentOf(file)).map(asCell);
  }

  async change(change: Change): Promise<string> {
    const file = this.file ?? (await this.contents.get(this.path, { type: 'notebook', hash: true }));
    const content = contentOf(file);
    const { cells, id } = changed(content, change);
    const now = await this.contents.get(this.path, { type: 'notebook', content: false, hash: true });
    if (!isSame(file, now)) {
      throw new ToolProblem(CHANGED);
    }
    const whole = { ...content, cells } as INotebookContent;
    await this.contents.save(this.path, { type: 'notebook', format: 'json', content: whole });
    this.file = undefined;
    return id;
  }

  private file: Contents.IModel | undefined;
}

/** By hash where the server gives one, else by the time of the last change. */
function isSame(read: Contents.IModel, now: Contents.IModel): boolean {
  return read.hash && now.hash ? read.hash === now.hash : read.last_modified === now.last_modified;
}

function contentOf({ path, content }: Contents.IModel): INotebookContent {
  if (!Array.isArray(fieldsOf(content).cells)) {
    throw new ToolProblem(`${path} is no notebook of version 4.`);
  }
  return content as INotebookContent;
}

function fileCells(content: INotebookContent): readonly IFileCell[] {
  return content.cells;
}

/** Cells of old notebooks have no id: then their place names them. */
function asCell(cell: IFileCell, index: number): ICell {
  const { outputs, execution_count: count, id } = fieldsOf(cell);
  return {
    id: typeof id === 'string' ? id : `#${index + 1}`,
    type: cell.cell_type,
    source: joined(cell.source),
    outputs: Array.isArray(outputs) ? outputs : [],
    executionCount: typeof count === 'number' ? count : undefined,
    isRunning: false,
    isEditable: fieldsOf(cell.metadata).editable !== false,
    isDeletable: fieldsOf(cell.metadata).deletable !== false
  };
}

function changed(content: INotebookContent, change: Change): { cells: IFileCell[]; id: string } {
  const cells = [...fileCells(content)];
  const indexOf = (id: string) => cells.map(asCell).findIndex(cell => cell.id === id);
  switch (change.kind) {
    case 'edit': {
      const index = indexOf(change.id);
      cells.splice(index, 1, { ...(cells[index] as IFileCell), source: change.after });
      return { cells, id: change.id };
    }
    case 'insert': {
      const cell = newCell(content, change);
      cells.splice(change.index, 0, cell);
      return { cells, id: asCell(cell, change.index).id };
    }
    case 'delete':
      cells.splice(indexOf(change.id), 1);
      return { cells, id: change.id };
    case 'move': {
      const [cell] = cells.splice(indexOf(change.id), 1);
      cells.splice(change.index, 0, cell as IFileCell);
      return { cells, id: change.id };
    }
  }
}

function newCell(content: INotebookContent, { type, source }: Change & { kind: 'insert' }): IFileCell {
  const hasIds = content.nbformat > 4 || content.nbformat_minor >= 5;
  return {
    cell_type: type,
    metadata: {},
    source,
    ...(hasIds && { id: newId() }),
    ...(type === 'code' && { outputs: [], execution_count: null })
  };
}

/** Returns an id that no other cell has. */
export function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(4));
  return [...bytes].map(byte => byte.toString(16).padStart(2, '0')).join('');
}
