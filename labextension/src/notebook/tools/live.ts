import type { ICodeCellModel } from '@jupyterlab/cells';
import type { IOutput } from '@jupyterlab/nbformat';
import type { NotebookPanel } from '@jupyterlab/notebook';

import { ToolProblem } from './arguments.js';
import type { Change, ICell, INotebook } from './cells.js';
import { changedRange } from './edits.js';
import { mark, widgetOf } from './marks.js';

type SharedNotebook = NonNullable<NotebookPanel['model']>['sharedModel'];
type CellModel = NotebookPanel['content']['widgets'][number]['model'];

/** A notebook that is open in this page: changes go through its shared model, each one step of its undo. */
export class OpenNotebook implements INotebook {
  constructor(readonly panel: NotebookPanel) {}

  readonly isOpen = true;

  get path(): string {
    return this.panel.context.path;
  }

  async cells(): Promise<readonly ICell[]> {
    await this.panel.context.ready;
    return this.now();
  }

  /** Returns the cells as they are; none before the notebook is loaded. */
  now(): readonly ICell[] {
    return this.panel.content.widgets.map(({ model }) => asCell(model));
  }

  async change(change: Change): Promise<string> {
    const shared = this.panel.model?.sharedModel;
    if (!shared || this.panel.model?.readOnly) {
      throw new ToolProblem(`${this.path} cannot be changed: it is read-only, or being closed.`);
    }
    const id = apply(shared, change);
    mark(widgetOf(this.panel.content, id));
    return id;
  }
}

function asCell(model: CellModel): ICell {
  const { sharedModel } = model;
  const isCode = sharedModel.cell_type === 'code';
  const outputs = isCode ? (sharedModel.toJSON().outputs as IOutput[]) : [];
  return {
    id: model.id,
    type: model.type,
    source: sharedModel.getSource(),
    outputs,
    executionCount: isCode ? ((model as ICodeCellModel).executionCount ?? undefined) : undefined,
    isRunning: isCode && (model as ICodeCellModel).executionState === 'running',
    isEditable: model.getMetadata('editable') !== false,
    isDeletable: model.getMetadata('deletable') !== false
  };
}

function apply(shared: SharedNotebook, change: Change): string {
  const indexOf = (id: string) => shared.cells.findIndex(cell => cell.getId() === id);
  switch (change.kind) {
    case 'edit': {
      const cell = shared.getCell(indexOf(change.id));
      const { start, end, text } = changedRange(change.before, change.after);
      alone(cell, () => cell.updateSource(start, end, text));
      return change.id;
    }
    case 'insert': {
      const { index, type, source } = change;
      let id = '';
      alone(shared, () => {
        id = shared.insertCell(index, { cell_type: type, source, metadata: {} }).getId();
      });
      return id;
    }
    case 'delete':
      alone(shared, () => shared.deleteCell(indexOf(change.id)));
      return change.id;
    case 'move':
      alone(shared, () => shared.moveCell(indexOf(change.id), change.index));
      return change.id;
  }
}

/** Makes a change that is undone by itself: what is typed within half a second counts as one step otherwise. */
function alone(model: object, act: () => void): void {
  const { undoManager } = model as { undoManager?: { stopCapturing(): void } | null };
  undoManager?.stopCapturing();
  act();
  undoManager?.stopCapturing();
}
