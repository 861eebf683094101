import type { CodeCell } from '@jupyterlab/cells';
import { NotebookActions, type NotebookPanel } from '@jupyterlab/notebook';

import { ToolProblem } from './arguments.js';
import { widgetOf } from './marks.js';

const KERNEL_START = 60_000; // ms
const INTERRUPT = 5_000; // ms that code has to end when it is interrupted
const LOOK = 100; // ms between looks at what runs

export interface IRunOptions {
  /** How long to wait for the end; the code goes on after it. */
  readonly seconds: number;
  /** Interrupts the kernel. */
  readonly signal: AbortSignal;
}

/** How the waiting ended: the cells did, `seconds` did, or the user stopped the turn. */
export type RunEnd = 'done' | 'time' | 'stopped';

/**
 * Runs cells of an open notebook in its own kernel, as its user does: outputs stand in the notebook.
 *
 * @throws ToolProblem when there is no kernel, or it waits for somebody's input.
 */
export async function runCells(
  panel: NotebookPanel,
  ids: readonly string[],
  { seconds, signal }: IRunOptions
): Promise<RunEnd> {
  await checkKernel(panel);
  const { content: notebook, sessionContext } = panel;
  const cells = ids.flatMap(id => widgetOf(notebook, id) ?? []);
  const { mode } = notebook;
  const run = NotebookActions.runCells(notebook, cells, sessionContext).catch(() => false);
  notebook.mode = mode; // running leaves the editor; the user may be writing there
  const end = await first(run, seconds * 1000, signal);
  if (end === 'stopped') {
    await sessionContext.session?.kernel?.interrupt();
    await first(run, INTERRUPT);
  }
  return end;
}

/** Waits until a cell does not run any more; who stops the turn meanwhile stops the cell. */
export async function untilIdle(
  { sessionContext }: NotebookPanel,
  cell: CodeCell,
  { seconds, signal }: IRunOptions
): Promise<void> {
  const end = Date.now() + seconds * 1000;
  const isRunning = () => !cell.isDisposed && cell.model.executionState === 'running';
  while (isRunning() && Date.now() < end && !signal.aborted) {
    await pause(LOOK);
  }
  if (isRunning() && signal.aborted) {
    await sessionContext.session?.kernel?.interrupt();
  }
}

/** Returns the notebook's kernel, once it has started. Throws as `runCells`. */
export async function checkKernel({ path, sessionContext }: ContextOf): Promise<void> {
  await Promise.race([sessionContext.ready, pause(KERNEL_START)]);
  if (!sessionContext.session?.kernel) {
    throw new ToolProblem(`${path ?? 'The notebook'} has no kernel: ask the user to choose one for it.`);
  }
  if (sessionContext.pendingInput) {
    throw new ToolProblem(
      'A cell of the notebook waits for input: ask the user to give it, or interrupt it.'
    );
  }
}

interface ContextOf {
  readonly path?: string;
  readonly sessionContext: NotebookPanel['sessionContext'];
}

function first(run: Promise<unknown>, ms: number, signal?: AbortSignal): Promise<RunEnd> {
  return new Promise(resolve => {
    const timer = setTimeout(() => resolve('time'), ms);
    const end = (how: RunEnd) => {
      clearTimeout(timer);
      resolve(how);
    };
    void run.then(() => end('done'));
    signal?.addEventListener('abort', () => end('stopped'));
  });
}

function pause(ms: number): Promise<void> {
  return new Promise(done => setTimeout(done, ms));
}
