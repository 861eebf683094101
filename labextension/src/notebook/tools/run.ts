import { type Cell, CodeCell } from '@jupyterlab/cells';
import { NotebookActions, type NotebookPanel } from '@jupyterlab/notebook';
import type { Kernel } from '@jupyterlab/services';

import { ToolProblem } from './arguments.js';
import { executionsOf } from './executions.js';
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

/**
 * How the waiting ended: the cells did, `seconds` did, or the user stopped the turn; `queued` when that was
 * before their code began, which runs once the kernel has done what it was asked before.
 */
export type RunEnd = 'done' | 'time' | 'stopped' | 'queued';

/**
 * Runs cells of an open notebook in its own kernel, as its user does: outputs stand in the notebook.
 *
 * @throws ToolProblem when there is no kernel, it waits for somebody's input, or the turn was stopped before.
 */
export async function runCells(
  panel: NotebookPanel,
  ids: readonly string[],
  { seconds, signal }: IRunOptions
): Promise<RunEnd> {
  const executions = executionsOf(await checkKernel(panel));
  if (signal.aborted) {
    throw new ToolProblem('This was not run: the turn was stopped.');
  }
  const { content: notebook, sessionContext } = panel;
  const cells = ids.flatMap(id => widgetOf(notebook, id) ?? []);
  if (cells.length < ids.length) {
    throw new ToolProblem('Nothing was run, for a cell is gone: read_notebook tells which there are.');
  }
  const { mode } = notebook;
  const run = NotebookActions.runCells(notebook, cells, sessionContext).catch(() => false);
  notebook.mode = mode; // running leaves the editor; the user may be writing there
  const end = await first(run, seconds * 1000, signal);
  executions.own(cells.flatMap(requestOf));
  if (end !== 'stopped') {
    return end;
  }
  if (!(await executions.interrupt())) {
    return 'queued';
  }
  await first(run, INTERRUPT);
  return end;
}

/** Returns the id of the request that a cell waits for; none when what it was sent for last has ended. */
function requestOf(cell: Cell): string[] {
  const future = cell instanceof CodeCell ? cell.outputArea.future : undefined;
  return future && !future.isDisposed ? [future.msg.header.msg_id] : [];
}

/** Waits until a cell does not run any more; who stops the turn meanwhile stops what the agent runs there. */
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
  const kernel = sessionContext.session?.kernel;
  if (kernel && isRunning() && signal.aborted) {
    await executionsOf(kernel).interrupt();
  }
}

/** Returns the notebook's kernel, once it has started. Throws as `runCells`. */
export async function checkKernel({ path, sessionContext }: ContextOf): Promise<Kernel.IKernelConnection> {
  await Promise.race([sessionContext.ready, pause(KERNEL_START)]);
  const kernel = sessionContext.session?.kernel;
  if (!kernel) {
    throw new ToolProblem(`${path ?? 'The notebook'} has no kernel: ask the user to choose one for it.`);
  }
  if (sessionContext.pendingInput) {
    throw new ToolProblem(
      'A cell of the notebook waits for input: ask the user to give it, or interrupt it.'
    );
  }
  return kernel;
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
    if (signal?.aborted) {
      end('stopped');
    }
  });
}

function pause(ms: number): Promise<void> {
  return new Promise(done => setTimeout(done, ms));
}
