import type { Cell } from '@jupyterlab/cells';
import type { IOutput } from '@jupyterlab/nbformat';
import type { NotebookPanel } from '@jupyterlab/notebook';

import { plainOutput, tail } from '../model/text.js';
import type { IReference, ISubject } from '../tokens.js';

const MOST_LINES = 200; // of the outputs of a cell

/** Returns a cell as something to talk about: its code, what it printed, and its pictures. */
export function subjectOf(panel: NotebookPanel, cell: Cell, text?: string): ISubject {
  const outputs = outputsOf(cell);
  const pictures = outputs.flatMap((output, index) => pictureOf(output, `output-${index + 1}.png`));
  return {
    ...(text !== undefined && { text }),
    references: [referenceTo(panel, cell, outputs)],
    files: pictures
  };
}

/** Whether running the cell ended with an error. */
export function hasFailed(cell: Cell): boolean {
  return outputsOf(cell).some(output => output.output_type === 'error');
}

function referenceTo(panel: NotebookPanel, cell: Cell, outputs: readonly IOutput[]): IReference {
  const { path } = panel.context;
  const { id, sharedModel } = cell.model;
  const number = panel.content.widgets.indexOf(cell) + 1;
  const printed = tail(outputs.map(textOf).filter(Boolean).join('\n'), MOST_LINES).text;
  return {
    label: `${path.split('/').pop()}, cell ${number}`,
    place: `${path} (cell ${number}, id ${id})`,
    content: printed ? `${sharedModel.getSource()}\n\nOutput:\n${printed}` : sharedModel.getSource()
  };
}

function outputsOf(cell: Cell): readonly IOutput[] {
  const { sharedModel } = cell.model;
  return sharedModel.cell_type === 'code' ? (sharedModel.toJSON().outputs as IOutput[]) : [];
}

function textOf(output: IOutput): string {
  switch (output.output_type) {
    case 'stream':
      return plainOutput(joined(output.text));
    case 'error':
      return plainOutput(joined(output.traceback, '\n'));
    default:
      return plainOutput(joined(dataOf(output)['text/plain']));
  }
}

function pictureOf(output: IOutput, name: string): ISubject['files'] {
  const encoded = joined(dataOf(output)['image/png']).replace(/\s/g, '');
  if (!encoded) {
    return [];
  }
  const bytes = Uint8Array.from(atob(encoded), character => character.charCodeAt(0));
  return [{ name, data: new Blob([bytes], { type: 'image/png' }) }];
}

function dataOf(output: IOutput): Readonly<Record<string, unknown>> {
  return typeof output.data === 'object' && output.data !== null ? { ...output.data } : {};
}

/** Notebooks keep text whole or in lines. */
function joined(text: unknown, separator = ''): string {
  return Array.isArray(text) ? text.join(separator) : typeof text === 'string' ? text : '';
}
