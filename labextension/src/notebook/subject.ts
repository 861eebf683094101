import type { Cell } from '@jupyterlab/cells';
import type { IOutput } from '@jupyterlab/nbformat';
import type { NotebookPanel } from '@jupyterlab/notebook';

import { tail } from '../model/text.js';
import type { IReference, ISubject } from '../tokens.js';
import { errorOfOutputs, pictureOf, textOfAll } from './outputs.js';

const MOST_LINES = 200; // of the outputs of a cell

/** Returns a cell as something to talk about: its code, what it printed, and its pictures. */
export function subjectOf(panel: NotebookPanel, cell: Cell, text?: string): ISubject {
  const outputs = outputsOf(cell);
  const { sharedModel } = cell.model;
  const printed = printedBy(outputs);
  const source = sharedModel.getSource();
  const content = printed ? `${source}\n\nOutput:\n${printed}` : source;
  return {
    ...(text !== undefined && { text }),
    references: [referenceTo(panel, cell, '', content)],
    files: picturesOf(outputs)
  };
}

/** Returns what stands below a cell as something to talk about. */
export function outputSubjectOf(panel: NotebookPanel, cell: Cell, outputs: readonly IOutput[]): ISubject {
  const printed = printedBy(outputs);
  return {
    references: printed ? [referenceTo(panel, cell, 'output of ', printed)] : [],
    files: picturesOf(outputs)
  };
}

/** Returns the text that is selected in a cell as something to talk about; `undefined` when none is. */
export function selectionSubjectOf(panel: NotebookPanel, cell: Cell): ISubject | undefined {
  const selected = selectionOf(cell);
  return selected
    ? { references: [referenceTo(panel, cell, 'selection in ', selected)], files: [] }
    : undefined;
}

/** Returns the text that is selected in a cell's editor. */
export function selectionOf(cell: Cell): string {
  const { editor } = cell;
  if (!editor) {
    return '';
  }
  const { start, end } = editor.getSelection();
  const [from, to] = [editor.getOffsetAt(start), editor.getOffsetAt(end)].sort((one, other) => one - other);
  return cell.model.sharedModel.getSource().slice(from, to);
}

/** Whether running the cell ended with an error. */
export function hasFailed(cell: Cell): boolean {
  return errorOfOutputs(outputsOf(cell)) !== undefined;
}

export function outputsOf(cell: Cell): readonly IOutput[] {
  const { sharedModel } = cell.model;
  return sharedModel.cell_type === 'code' ? (sharedModel.toJSON().outputs as IOutput[]) : [];
}

function referenceTo(panel: NotebookPanel, cell: Cell, what: string, content: string): IReference {
  const { path } = panel.context;
  const number = panel.content.widgets.indexOf(cell) + 1;
  return {
    label: `${what}${path.split('/').pop()}, cell ${number}`,
    place: `${path} (${what}cell ${number}, id ${cell.model.id})`,
    content
  };
}

function printedBy(outputs: readonly IOutput[]): string {
  return tail(textOfAll(outputs), MOST_LINES).text;
}

function picturesOf(outputs: readonly IOutput[]): ISubject['files'] {
  return outputs.flatMap((output, index) => {
    const picture = pictureOf(output);
    const type = picture?.mimeType ?? '';
    if (!picture || !/^image\/(png|jpeg|gif|webp)$/.test(type)) {
      return [];
    }
    const bytes = Uint8Array.from(atob(picture.data), character => character.charCodeAt(0));
    return [{ name: `output-${index + 1}.${type.slice(6)}`, data: new Blob([bytes], { type }) }];
  });
}
