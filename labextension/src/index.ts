import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';

import { showAbout } from './about.js';
import { fetchFrom } from './client/connection.js';
import { isEnabled } from './policy.js';

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
    palette?.addItem({ command, category: 'Agent' });
  }
};

export default [about];
