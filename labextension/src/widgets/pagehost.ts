/**
 * What JupyterLab and Notebook offer to the widgets of their pages: better Markdown, with math, and cells to
 * put code into. The bundle of the widgets shares no modules with them, so they leave it on the page.
 */

import type { IHost } from '../components/host.js';

const OFFERED = Symbol.for('jupyter_chatd.host.1'); // another number where the parts change

export type IPageHost = Pick<IHost, 'codeActions' | 'createMarkdown' | 'openBeside' | 'openDesktop'>;

const page = globalThis as { [OFFERED]?: IPageHost };

/** Offers *host* to the widgets of this page. */
export function offerHost({ codeActions, createMarkdown, openBeside, openDesktop }: IPageHost): void {
  page[OFFERED] = { codeActions, createMarkdown, openBeside, openDesktop };
}

/** Returns what this page offers, if it is one of ours. */
export function offeredHost(): IPageHost | undefined {
  return page[OFFERED];
}
