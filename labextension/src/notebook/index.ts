import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { Cell } from '@jupyterlab/cells';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';

import type { IAgentPanel } from '../tokens.js';
import {
  hasFailed,
  outputSubjectOf,
  outputsOf,
  selectionOf,
  selectionSubjectOf,
  subjectOf
} from './subject.js';

const CELL = '.jp-Notebook .jp-Cell';

/** Adds what the menu of a cell offers; returns the ids of the commands, which without the menu mean the active cell. */
export function addCellCommands(
  app: JupyterFrontEnd,
  agent: IAgentPanel,
  tracker: INotebookTracker
): string[] {
  const { commands, contextMenu } = app;
  const ask = 'jupyter-chatd:ask-about-cell';
  const fix = 'jupyter-chatd:fix-error';
  const selection = 'jupyter-chatd:ask-about-selection';
  const attach = 'jupyter-chatd:attach-output';
  const place = (args: Args) => (args.isOfMenu ? pointedAt(app, tracker) : active(tracker));
  const canFix = (args: Args) => {
    const found = place(args);
    return found !== undefined && hasFailed(found.cell);
  };
  commands.addCommand(ask, {
    label: 'Ask the Agent About This Cell',
    isEnabled: args => place(args) !== undefined,
    execute: args => discuss(agent, place(args))
  });
  commands.addCommand(fix, {
    label: 'Let the Agent Fix This Error',
    isVisible: canFix,
    isEnabled: canFix,
    execute: args => discuss(agent, place(args), 'Why does this cell fail, and how do I fix it?')
  });
  commands.addCommand(selection, {
    label: 'Ask the Agent About the Selection',
    isVisible: args => isSelected(place(args)),
    isEnabled: args => isSelected(place(args)),
    execute: args => discussSelection(agent, place(args))
  });
  commands.addCommand(attach, {
    label: 'Attach Output to the Chat',
    isVisible: args => hasOutput(place(args)),
    isEnabled: args => hasOutput(place(args)),
    execute: args => discussOutput(agent, place(args))
  });
  [ask, fix, selection, attach].forEach((command, index) => {
    contextMenu.addItem({ command, args: { isOfMenu: true }, selector: CELL, rank: 100 + index });
  });
  return [ask, fix, selection, attach];
}

interface IPlace {
  readonly panel: NotebookPanel;
  readonly cell: Cell;
}

type Args = Readonly<Record<string, unknown>>;

function active({ currentWidget: panel, activeCell: cell }: INotebookTracker): IPlace | undefined {
  return panel && cell ? { panel, cell } : undefined;
}

/** The cell whose menu is open; opening it does not make that cell the active one. */
function pointedAt(app: JupyterFrontEnd, { currentWidget: panel }: INotebookTracker): IPlace | undefined {
  const node = app.contextMenuHitTest(element => element.classList.contains('jp-Cell'));
  const cell = panel?.content.widgets.find(widget => widget.node === node);
  return panel && cell ? { panel, cell } : undefined;
}

function discuss(agent: IAgentPanel, place: IPlace | undefined, text?: string): void {
  if (place) {
    agent.discuss(subjectOf(place.panel, place.cell, text));
  }
}

function isSelected(place: IPlace | undefined): boolean {
  return place !== undefined && selectionOf(place.cell) !== '';
}

function discussSelection(agent: IAgentPanel, place: IPlace | undefined): void {
  const subject = place && selectionSubjectOf(place.panel, place.cell);
  if (subject) {
    agent.discuss(subject);
  }
}

function hasOutput(place: IPlace | undefined): boolean {
  return place !== undefined && outputsOf(place.cell).length > 0;
}

function discussOutput(agent: IAgentPanel, place: IPlace | undefined): void {
  if (place) {
    agent.discuss(outputSubjectOf(place.panel, place.cell, outputsOf(place.cell)));
  }
}
