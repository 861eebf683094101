import { ILayoutRestorer, type JupyterFrontEnd, type JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';

import { showAbout } from './about.js';
import { fetchFrom } from './client/connection.js';
import { createPanel } from './panel/index.js';
import { isEnabled } from './policy.js';
import { IAgentPanel } from './tokens.js';

const CATEGORY = 'Agent';

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

/** The side panel, and the commands that bring it into sight. */
const panel: JupyterFrontEndPlugin<IAgentPanel | null> = {
  id: 'jupyter-chatd:panel',
  description: 'Chats with the agent of this server.',
  autoStart: true,
  requires: [IRenderMimeRegistry],
  optional: [ICommandPalette, ILayoutRestorer],
  provides: IAgentPanel,
  activate: (
    app: JupyterFrontEnd,
    rendermime: IRenderMimeRegistry,
    palette: ICommandPalette | null,
    restorer: ILayoutRestorer | null
  ): IAgentPanel | null => {
    if (!isEnabled()) {
      return null;
    }
    const { widget, api, commands } = createPanel(app, rendermime);
    app.shell.add(widget, 'right', { rank: 900 });
    restorer?.add(widget, widget.id);
    for (const command of commands) {
      palette?.addItem({ command, category: CATEGORY });
    }
    return api;
  }
};

export default [about, panel];
