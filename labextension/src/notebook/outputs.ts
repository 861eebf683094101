/** What stands below a cell, as words and as pictures. Pure. */

import type { IOutput } from '@jupyterlab/nbformat';

import { plainOutput } from '../model/text.js';

export interface IPicture {
  /** `image/png` and the like; `image/svg+xml` holds markup, not base64. */
  readonly mimeType: string;
  readonly data: string;
}

const RASTER = ['image/png', 'image/jpeg', 'image/gif', 'image/webp'];
const SVG = 'image/svg+xml';

/** Returns the words of an output: what was printed, an error's traceback, a value's plain text. */
export function textOf(output: IOutput): string {
  switch (output.output_type) {
    case 'stream':
      return plainOutput(joined(output.text));
    case 'error':
      return plainOutput(joined(output.traceback, '\n'));
    default:
      return plainOutput(joined(dataOf(output)['text/plain'] ?? dataOf(output)['text/markdown']));
  }
}

/** Returns an output's picture, if it has one. */
export function pictureOf(output: IOutput): IPicture | undefined {
  const data = dataOf(output);
  for (const mimeType of RASTER) {
    const encoded = joined(data[mimeType]).replace(/\s/g, '');
    if (encoded) {
      return { mimeType, data: encoded };
    }
  }
  const markup = joined(data[SVG]);
  return markup ? { mimeType: SVG, data: markup } : undefined;
}

/** Returns the words of several outputs; of a picture only what is said beside it. */
export function textOfAll(outputs: readonly IOutput[]): string {
  return outputs
    .map(output => (pictureOf(output) && isNameless(textOf(output)) ? '' : textOf(output)))
    .map(text => text.replace(/\n+$/, ''))
    .filter(Boolean)
    .join('\n');
}

/** Returns `NameError: name 'x' is not defined` of the error among *outputs*, if there is one. */
export function errorOfOutputs(outputs: readonly IOutput[]): string | undefined {
  const error = outputs.find(output => output.output_type === 'error');
  return error && `${joined(error.ename)}: ${plainOutput(joined(error.evalue))}`;
}

/** What figures and the like say that have no text of their own: `<Figure size 640x480 with 1 Axes>`. */
function isNameless(text: string): boolean {
  return /^<[^\n]*>$/.test(text.trim());
}

function dataOf(output: IOutput): Readonly<Record<string, unknown>> {
  return typeof output.data === 'object' && output.data !== null ? { ...output.data } : {};
}

/** Notebooks keep text whole or in lines. */
export function joined(text: unknown, separator = ''): string {
  return Array.isArray(text) ? text.join(separator) : typeof text === 'string' ? text : '';
}
