import { ILayoutRestorer, type JupyterFrontEnd, type JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette, Notification } from '@jupyterlab/apputils';
import { INotebookTracker } from '@jupyterlab/notebook';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { IStatusBar } from '@jupyterlab/statusbar';

import { showAbout } from './about.js';
import { fetchFrom } from './client/connection.js';
import { Preferences } from './model/preferences.js';
import { addCellCommands } from './notebook/index.js';
import { offerNotebookTools } from './notebook/offer.js';
import { addWidgetOutput } from './notebook/output.js';
import { createPanel } from './panel/index.js';
import { notifyOf } from './panel/notifier.js';
import { sideFrom } from './panel/settings.js';
import { isInCell } from './panel/sight.js';
import { StatusItem } from './panel/status.js';
import { Views } from './panel/views.js';
import { isEnabled } from './policy.js';
import { IAgentPanel } from './tokens.js';

const CATEGORY = 'Agent';
const PANEL = 'jupyter-chatd:panel';

/** The command "Agent: About": is the agent there, and which models can it reach? */
const about: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-chatd:about',
  description: 'Shows which models the agent of this server can reach.',
  autoStart: true,
  optional: [ICommandPalette],
  activate: (app: JupyterFrontEnd, palette: ICommandPalette | null): void => {
    if (!isEnabled()) {
      return;
    }
    const command = 'jupyter-chatd:about';
    const fetch = fetchFrom(app.serviceManager.serverSettings);
    app.commands.addCommand(command, { label: 'Agent: About', execute: () => showAbout(fetch) });
    palette?.addItem({ command, category: CATEGORY });
  }
};

/** The side panel, the commands that bring it into sight, and what the status bar says. */
const panel: JupyterFrontEndPlugin<IAgentPanel | null> = {
  id: PANEL,
  description: 'Chats with the agent of this server.',
  autoStart: true,
  requires: [IRenderMimeRegistry],
  optional: [ICommandPalette, ILayoutRestorer, ISettingRegistry, IStatusBar],
  provides: IAgentPanel,
  activate: async (
    app: JupyterFrontEnd,
    rendermime: IRenderMimeRegistry,
    palette: ICommandPalette | null,
    restorer: ILayoutRestorer | null,
    settings: ISettingRegistry | null,
    statusBar: IStatusBar | null
  ): Promise<IAgentPanel | null> => {
    if (!isEnabled()) {
      return null;
    }
    const preferences = new Preferences();
    const views = new Views({ app, rendermime, preferences });
    const { widget, api, desktops, commands } = createPanel(app, views);
    if (restorer) {
      restorer.add(widget, widget.id);
      desktops.restore(restorer);
      views.restore(restorer);
    }
    for (const command of commands) {
      palette?.addItem({ command, category: CATEGORY });
    }
    const item = new StatusItem(widget.model.chats, () => app.shell.activateById(widget.id));
    statusBar?.registerStatusItem(PANEL, { item, align: 'right', rank: 90 });
    notifyOf({
      chats: widget.model.chats,
      notifications: Notification,
      isWanted: () => preferences.getState().notifies,
      isSeen: chatId => !document.hidden && (widget.isVisible || isInCell(chatId)),
      open: api.open
    });
    app.shell.add(widget, await sideFrom(settings, PANEL, preferences), { rank: 900 });
    return api;
  }
};

/** What the menu of a cell offers. */
const cells: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-chatd:cells',
  description: 'Hands cells of notebooks to the agent.',
  autoStart: true,
  requires: [IAgentPanel, INotebookTracker],
  optional: [ICommandPalette],
  activate: (
    app: JupyterFrontEnd,
    agent: IAgentPanel | null,
    tracker: INotebookTracker,
    palette: ICommandPalette | null
  ): void => {
    if (!agent) {
      return;
    }
    for (const command of addCellCommands(app, agent, tracker)) {
      palette?.addItem({ command, category: CATEGORY });
    }
  }
};

/** Chats that a notebook shows in its cells. */
const outputs: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-chatd:outputs',
  description: 'Shows the widgets of chats, also when their kernel is gone.',
  autoStart: true,
  requires: [INotebookTracker],
  activate: (_: JupyterFrontEnd, tracker: INotebookTracker): void => {
    if (!isEnabled()) {
      return;
    }
    tracker.forEach(addWidgetOutput);
    tracker.widgetAdded.connect((_, panel) => addWidgetOutput(panel));
  }
};

/** What the agent can do in notebooks; whoever does not want it disables this plugin. */
const tools: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-chatd:notebook-tools',
  description: 'Lets the agent read, change and run the notebooks of this page.',
  autoStart: true,
  requires: [IAgentPanel, INotebookTracker],
  activate: (app: JupyterFrontEnd, agent: IAgentPanel | null, tracker: INotebookTracker): void => {
    if (agent) {
      offerNotebookTools(app, agent, tracker);
    }
  }
};

export default [about, panel, cells, outputs, tools];
