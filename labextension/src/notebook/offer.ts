import type { JupyterFrontEnd } from '@jupyterlab/application';
import { PageConfig } from '@jupyterlab/coreutils';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';

import type { ICells } from '../components/host.js';
import type { IAgentPanel } from '../tokens.js';
import { placeOf } from './tools/cells.js';
import { NotebookTools } from './tools/index.js';
import { OpenNotebook } from './tools/live.js';
import { showCell } from './tools/marks.js';
import { Notebooks } from './tools/notebooks.js';
import { Pins } from './tools/pins.js';

const OPEN_FILE = 'docmanager:open';

/** Lets the agent work in the notebooks of this page. */
export function offerNotebookTools(
  app: JupyterFrontEnd,
  agent: IAgentPanel,
  tracker: INotebookTracker
): void {
  const notebooks = new Notebooks(tracker, app.serviceManager, opener(app));
  const pins = new Pins(window.sessionStorage);
  tracker.widgetAdded.connect((_, panel) => {
    let { path } = panel.context;
    panel.context.pathChanged.connect(() => {
      pins.rename(path, panel.context.path);
      path = panel.context.path;
    });
  });
  agent.offer(new NotebookTools(notebooks, pins));
  agent.showCells(cellsFrom(app, notebooks, pins));
}

/** Returns what opens a notebook beside those that are open; `undefined` where that takes another page. */
function opener({ commands }: JupyterFrontEnd): ((path: string) => Promise<unknown>) | undefined {
  const isOfOneNotebook = PageConfig.getOption('notebookPage') !== '';
  return isOfOneNotebook ? undefined : path => commands.execute(OPEN_FILE, { path, factory: 'Notebook' });
}

function cellsFrom(app: JupyterFrontEnd, notebooks: Notebooks, pins: Pins): ICells {
  const find = (chatId: string, path: string | undefined) => {
    const wanted = path ?? pins.newest(chatId);
    return wanted === undefined ? undefined : notebooks.find(wanted);
  };
  return {
    source: (chatId, path, cell) => {
      const panel = find(chatId, path);
      return panel && sourceOf(panel, cell);
    },
    show: async (chatId, path, cell) => {
      const panel = find(chatId, path);
      if (panel) {
        app.shell.activateById(panel.id);
        await showCell(panel, cell);
      } else if (path !== undefined && app.commands.hasCommand(OPEN_FILE)) {
        await app.commands.execute(OPEN_FILE, { path });
      }
    }
  };
}

function sourceOf(panel: NotebookPanel, name: string): string | undefined {
  const cells = new OpenNotebook(panel).now();
  try {
    return cells[placeOf(cells, name)]?.source;
  } catch {
    return undefined; // the call names no cell: it says so itself when it runs
  }
}
