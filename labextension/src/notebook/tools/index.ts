/** Tools for notebooks, which run in the page that has them open. */

import type { CodeCell } from '@jupyterlab/cells';
import type { NotebookPanel } from '@jupyterlab/notebook';
import type { IOutcome } from '../../client/chats.js';
import { fieldsOf, textField } from '../../model/tools.js';
import type { ICallPlace, IClientTool, IToolCall, IToolSet, ITurn } from '../../model/toolwork.js';
import {
  numberArgument,
  optionalFlag,
  optionalText,
  ToolProblem,
  textArgument,
  textsArgument
} from './arguments.js';
import {
  CELL_TYPES,
  type CellType,
  type ICell,
  type INotebook,
  page,
  placeOf,
  told,
  WHOLE
} from './cells.js';
import { DECLARATIONS, RUN_SECONDS } from './declarations.js';
import { edited } from './edits.js';
import { OpenNotebook } from './live.js';
import type { Notebooks } from './notebooks.js';
import { withPictures } from './pictures.js';
import type { Pins } from './pins.js';
import { checkKernel, runCells, untilIdle } from './run.js';
import { StepChanges } from './steps.js';
import { variablesOf } from './variables.js';

/**
 * For how many ms a call is left to other pages of the user: the one where it was asked for goes first, then one
 * that has its notebook open, then those that would change it as a file.
 */
const PATIENCE = {
  here: { open: 0, closed: 2_000 },
  unknown: { open: 300, closed: 1_200 },
  elsewhere: { open: 1_000, closed: 4_000 }
} as const;

/** Tools that show a notebook to the user, who looks at the page where it was asked for. */
const SHOWING: ReadonlySet<string> = new Set([
  DECLARATIONS.open_notebook.name,
  DECLARATIONS.create_notebook.name
]);

/** The tools; *pins* says which notebook a turn is about. */
export class NotebookTools implements IToolSet {
  constructor(
    private readonly notebooks: Notebooks,
    private readonly pins: Pins
  ) {}

  private readonly steps = new StepChanges();

  sending(name: string): void {
    this.pins.send(name, this.notebooks.inFront);
  }

  turnStarted({ chatId, turnId, name }: ITurn): void {
    this.pins.put(chatId, turnId, name === undefined ? this.notebooks.inFront : this.pins.sent(name));
  }

  patience({ chatId, turnId, sentFrom, toolName, args }: ICallPlace): number {
    const named = textField(args, 'path');
    const pinned = this.pins.find(chatId, turnId);
    // A page that was loaded anew has another name, and the pins of before.
    const from = sentFrom === 'elsewhere' && pinned !== undefined ? 'here' : sentFrom;
    const path = named || pinned;
    const isOpen = path !== undefined && this.notebooks.find(path) !== undefined;
    // Only it knows what was in front, and its user looks at it.
    const isOfPage = from === 'here' && (named === '' || SHOWING.has(toolName));
    return PATIENCE[from][isOpen || isOfPage ? 'open' : 'closed'];
  }

  readonly tools: readonly IClientTool[] = [
    { ...DECLARATIONS.list_notebooks, run: async call => this.list(call) },
    { ...DECLARATIONS.open_notebook, run: call => this.open(call) },
    { ...DECLARATIONS.create_notebook, run: call => this.create(call) },
    { ...DECLARATIONS.read_notebook, run: call => this.read(call) },
    { ...DECLARATIONS.read_cell, run: call => this.readCell(call) },
    { ...DECLARATIONS.insert_cell, run: call => this.insert(call) },
    { ...DECLARATIONS.edit_cell, run: call => this.edit(call) },
    { ...DECLARATIONS.delete_cell, run: call => this.delete(call) },
    { ...DECLARATIONS.move_cell, run: call => this.move(call) },
    { ...DECLARATIONS.run_cells, run: call => this.runCells(call) },
    { ...DECLARATIONS.notebook_variables, run: call => this.variables(call) },
    { ...DECLARATIONS.interrupt_notebook_kernel, run: call => this.interrupt(call) },
    { ...DECLARATIONS.restart_notebook_kernel, run: call => this.restart(call) }
  ];

  private list(call: IToolCall): IOutcome {
    return { result: { notebooks: this.notebooks.list(this.pins.find(call.chatId, call.turnId)) } };
  }

  private async open(call: IToolCall): Promise<IOutcome> {
    const panel = await this.notebooks.show(textArgument(call.args, 'path'));
    const { length } = await new OpenNotebook(panel).cells();
    return { result: { path: panel.context.path, done: 'opened', cells_in_all: length } };
  }

  private async create({ args }: IToolCall): Promise<IOutcome> {
    const path = textArgument(args, 'path');
    const { panel, kernel, cell } = await this.notebooks.create(path, optionalText(args, 'kernel'));
    const hint = 'Its one cell is empty: edit_cell with source, and old_source "", fills it.';
    return { result: { path: panel.context.path, done: 'created', kernel, cell, hint } };
  }

  private async read(call: IToolCall): Promise<IOutcome> {
    const notebook = this.notebookOf(call);
    const cells = await notebook.cells();
    const first = numberArgument(call.args, 'first', { least: 1, most: 100_000, otherwise: 1 });
    const count = numberArgument(call.args, 'count', { least: 1, most: 200, otherwise: 50 });
    const read = page(cells, first - 1, count);
    const next = first + read.length;
    return {
      result: {
        ...about(notebook),
        cells_in_all: cells.length,
        cells: read,
        ...(next <= cells.length && { note: `Cells from ${next} on were not read: first=${next} does.` })
      }
    };
  }

  private async readCell(call: IToolCall): Promise<IOutcome> {
    const notebook = this.notebookOf(call);
    const seconds = numberArgument(call.args, 'wait_s', { least: 0, most: RUN_SECONDS.most, otherwise: 0 });
    const place = placeOf(await notebook.cells(), textArgument(call.args, 'cell'));
    if (notebook instanceof OpenNotebook && seconds > 0) {
      const cell = notebook.panel.content.widgets[place];
      if (cell?.model.type === 'code') {
        await untilIdle(notebook.panel, cell as CodeCell, { seconds, signal: call.signal });
      }
    }
    const cell = cellAt(await notebook.cells(), place);
    return withPictures({ ...about(notebook), ...told(cell, place, WHOLE) }, cell.outputs);
  }

  private async insert(call: IToolCall): Promise<IOutcome> {
    const notebook = this.notebookOf(call);
    const type = optionalText(call.args, 'type') ?? 'code';
    if (!CELL_TYPES.includes(type as CellType)) {
      throw new ToolProblem(`type: expected one of ${CELL_TYPES.join(', ')}, came ${type}.`);
    }
    const source = textArgument(call.args, 'source');
    await checkRun(call, notebook);
    const cells = await notebook.cells();
    const index = insertionOf(cells, call.args);
    const id = await notebook.change({ kind: 'insert', index, type: type as CellType, source });
    this.steps.note(stepOf(call, notebook.path), id, true);
    return this.changedOutcome(call, notebook, id, 'inserted');
  }

  private async edit(call: IToolCall): Promise<IOutcome> {
    const notebook = this.notebookOf(call);
    await checkRun(call, notebook);
    const cells = await notebook.cells();
    const cell = cellAt(cells, placeOf(cells, textArgument(call.args, 'cell')));
    if (!cell.isEditable) {
      throw new ToolProblem('The user has locked this cell: it is not editable.');
    }
    const change = { kind: 'edit', id: cell.id, before: cell.source, after: edited(cell.source, call.args) };
    const id = await notebook.change({ ...change, kind: 'edit' });
    this.steps.note(stepOf(call, notebook.path), id, false);
    return this.changedOutcome(call, notebook, id, 'edited');
  }

  private async delete(call: IToolCall): Promise<IOutcome> {
    const notebook = this.notebookOf(call);
    const cells = await notebook.cells();
    const cell = cellAt(cells, placeOf(cells, textArgument(call.args, 'cell')));
    if (!cell.isDeletable) {
      throw new ToolProblem('The user has locked this cell: it cannot be deleted.');
    }
    await notebook.change({ kind: 'delete', id: cell.id });
    this.steps.note(stepOf(call, notebook.path), cell.id, true);
    return { result: { ...about(notebook), done: 'deleted', cell: cell.id, old_source: cell.source } };
  }

  private async move(call: IToolCall): Promise<IOutcome> {
    const notebook = this.notebookOf(call);
    const cells = await notebook.cells();
    const from = placeOf(cells, textArgument(call.args, 'cell'));
    const target = insertionOf(cells, call.args);
    const index = target > from ? target - 1 : target;
    const id = await notebook.change({ kind: 'move', id: cellAt(cells, from).id, index });
    this.steps.note(stepOf(call, notebook.path), id, true);
    return { result: { ...about(notebook), done: 'moved', cell: id, number: index + 1 } };
  }

  private async runCells(call: IToolCall): Promise<IOutcome> {
    const panel = this.notebooks.open(this.pathOf(call));
    const cells = await new OpenNotebook(panel).cells();
    const named = textsArgument(call.args, 'cells').map(name => ({
      name,
      id: cellAt(cells, placeOf(cells, name)).id
    }));
    this.steps.check(stepOf(call, panel.context.path), named);
    return run(
      panel,
      named.map(({ id }) => id),
      call
    );
  }

  private async variables(call: IToolCall): Promise<IOutcome> {
    const names = fieldsOf(call.args).names === undefined ? [] : textsArgument(call.args, 'names');
    return { result: await variablesOf(this.notebooks.open(this.pathOf(call)), names) };
  }

  private async interrupt(call: IToolCall): Promise<IOutcome> {
    const { context, sessionContext } = this.notebooks.open(this.pathOf(call));
    await sessionContext.session?.kernel?.interrupt();
    return { result: { path: context.path, done: 'interrupted' } };
  }

  private async restart(call: IToolCall): Promise<IOutcome> {
    const { context, sessionContext } = this.notebooks.open(this.pathOf(call));
    await sessionContext.restartKernel();
    return {
      result: { path: context.path, done: 'restarted', note: 'All variables of the kernel are gone.' }
    };
  }

  private pathOf({ chatId, turnId, args }: IToolCall): string {
    const path = optionalText(args, 'path') ?? this.pins.find(chatId, turnId);
    if (!path) {
      throw new ToolProblem(
        'No notebook was in front when this turn began: say which by path (list_notebooks).'
      );
    }
    return path;
  }

  private notebookOf(call: IToolCall): INotebook {
    return this.notebooks.at(this.pathOf(call));
  }

  private async changedOutcome(
    call: IToolCall,
    notebook: INotebook,
    id: string,
    done: string
  ): Promise<IOutcome> {
    if (notebook instanceof OpenNotebook && optionalFlag(call.args, 'run')) {
      return run(notebook.panel, [id], call);
    }
    const number = (await notebook.cells()).findIndex(cell => cell.id === id) + 1;
    return { result: { ...about(notebook), done, cell: id, number } };
  }
}

/** Throws `ToolProblem` before anything is changed when what shall run afterwards cannot. */
async function checkRun({ args }: IToolCall, notebook: INotebook): Promise<void> {
  if (!optionalFlag(args, 'run')) {
    return;
  }
  if (!(notebook instanceof OpenNotebook)) {
    throw new ToolProblem(`${notebook.path} is not open, so nothing runs there. Ask the user to open it.`);
  }
  numberArgument(args, 'wait_s', RUN_SECONDS);
  await checkKernel(notebook.panel);
}

/** Runs cells and tells what came of them. */
async function run(panel: NotebookPanel, ids: readonly string[], call: IToolCall): Promise<IOutcome> {
  const seconds = numberArgument(call.args, 'wait_s', RUN_SECONDS);
  const end = await runCells(panel, ids, { seconds, signal: call.signal });
  const notebook = new OpenNotebook(panel);
  const cells = await notebook.cells();
  const places = ids.map(id => cells.findIndex(cell => cell.id === id)).filter(place => place >= 0);
  const ran = places.map(place => told(cellAt(cells, place), place, { ...WHOLE, source: 200 }));
  const hasFailed = ran.some(one => one.error !== undefined);
  return withPictures(
    {
      success: end === 'done' && !hasFailed,
      ...about(notebook),
      cells: ran,
      ...(end === 'time' && {
        note: `It still runs after ${seconds} s. read_cell with wait_s waits on; interrupt_notebook_kernel ends it.`
      }),
      ...(end === 'stopped' && { note: 'The user stopped the turn; the kernel was interrupted.' }),
      ...(end === 'queued' && {
        note: 'The user stopped the turn while the kernel was at something else; the cells run after that.'
      })
    },
    places.flatMap(place => cellAt(cells, place).outputs)
  );
}

/** Names an answer of the model, and the notebook that is meant. */
function stepOf({ chatId, stepId }: IToolCall, path: string): string {
  return `${chatId} ${stepId} ${path}`;
}

function about(notebook: INotebook): object {
  return {
    path: notebook.path,
    ...(!notebook.isOpen && { is_open: false })
  };
}

function cellAt(cells: readonly ICell[], place: number): ICell {
  const cell = cells[place];
  if (!cell) {
    throw new ToolProblem('The cell is gone: read_notebook tells which there are.');
  }
  return cell;
}

/** Returns before which place (from 0) a cell shall stand, by `before` or `after`; the end without both. */
function insertionOf(cells: readonly ICell[], args: unknown): number {
  const before = optionalText(args, 'before');
  const after = optionalText(args, 'after');
  if (before !== undefined && after !== undefined) {
    throw new ToolProblem('Expected before or after, came both.');
  }
  if (before !== undefined) {
    return placeOf(cells, before);
  }
  return after === undefined ? cells.length : placeOf(cells, after) + 1;
}
