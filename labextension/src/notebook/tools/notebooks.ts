import { PageConfig } from '@jupyterlab/coreutils';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';

import { selectionOf } from '../subject.js';
import { ToolProblem } from './arguments.js';
import type { INotebook } from './cells.js';
import { createNotebook, type ICreated, type INotebookServer } from './creation.js';
import { OpenNotebook } from './live.js';
import { belowRoot } from './paths.js';
import { SavedNotebook } from './saved.js';

/** The notebooks of this page, and those that lie on the server. */
export class Notebooks {
  constructor(
    private readonly tracker: INotebookTracker,
    private readonly server: INotebookServer,
    /** Opens a file in front; `undefined` where a page shows one notebook only, as in Notebook 7. */
    private readonly openFile: ((path: string) => Promise<unknown>) | undefined
  ) {}

  /** The path of the notebook in front. */
  get inFront(): string | undefined {
    return this.tracker.currentWidget?.context.path;
  }

  /** Returns the notebook of that path, open or not. Throws `ToolProblem` when it cannot be one. */
  at(path: string): INotebook {
    const panel = this.find(path);
    if (panel) {
      return new OpenNotebook(panel);
    }
    if (!path.endsWith('.ipynb')) {
      throw new ToolProblem(
        `path: expected a notebook, *.ipynb, came ${path}. list_notebooks tells which are open.`
      );
    }
    return new SavedNotebook(relative(path), this.server.contents);
  }

  /** Returns the open notebook of that path. Throws `ToolProblem` when it is not open. */
  open(path: string): NotebookPanel {
    const panel = this.find(path);
    if (!panel) {
      throw new ToolProblem(`${path} is not open in JupyterLab. open_notebook opens it, if the user agrees.`);
    }
    return panel;
  }

  /** Returns the notebook of that path, open and in front. Throws `ToolProblem` when that cannot be. */
  async show(path: string): Promise<NotebookPanel> {
    const wanted = this.at(path).path;
    if (!this.openFile) {
      throw new ToolProblem(`This page shows one notebook only: ask the user to open ${wanted}.`);
    }
    try {
      await this.server.contents.get(wanted, { content: false });
    } catch (error) {
      throw new ToolProblem(`${wanted} cannot be opened: ${error instanceof Error ? error.message : error}`);
    }
    await this.openFile(wanted);
    return this.open(wanted);
  }

  /** Makes a notebook that was not there, and shows it. Throws `ToolProblem` when that cannot be. */
  async create(path: string, kernel: string | undefined): Promise<ICreated & { panel: NotebookPanel }> {
    const { path: wanted, isOpen } = this.at(path);
    if (!this.openFile) {
      throw new ToolProblem(`This page shows one notebook only: ask the user to create ${wanted}.`);
    }
    if (isOpen) {
      throw new ToolProblem(`${wanted} is open already: give a name that is free.`); // its file may be gone
    }
    const created = await createNotebook(this.server, wanted, kernel);
    return { ...created, panel: await this.show(wanted) };
  }

  /** Models name files by the workspace's folder, too. */
  find(path: string): NotebookPanel | undefined {
    const wanted = relative(path);
    const isAbsolute = path.startsWith('/') && PageConfig.getOption('serverRoot') === ''; // Notebook 7 does not tell
    return (
      this.tracker.find(({ context }) => context.path === wanted) ??
      this.tracker.find(({ context }) => isAbsolute && path.endsWith(`/${context.path}`))
    );
  }

  /** Returns what the model is told of each open notebook; *pinned* is that of its turn. */
  list(pinned: string | undefined): readonly object[] {
    const panels: NotebookPanel[] = [];
    this.tracker.forEach(panel => void panels.push(panel));
    return panels.map(panel => this.told(panel, pinned));
  }

  private told(panel: NotebookPanel, pinned: string | undefined): object {
    const { context, content, sessionContext } = panel;
    const { activeCell } = content;
    const selected = activeCell ? selectionOf(activeCell) : '';
    const kernel = sessionContext.session?.kernel;
    return {
      path: context.path,
      ...(context.path === pinned && { in_front_when_asked: true }),
      ...(context.path === this.inFront && { in_front_now: true }),
      cells: content.widgets.length,
      kernel: kernel ? `${kernel.name} (${kernel.status})` : 'none',
      unsaved_changes: context.model.dirty,
      ...(activeCell && {
        active_cell: activeCell.model.id,
        active_cell_number: content.activeCellIndex + 1
      }),
      ...(selected && { selected_text: selected.slice(0, 2_000) })
    };
  }
}

function relative(path: string): string {
  return belowRoot(path, PageConfig.getOption('serverRoot'));
}
