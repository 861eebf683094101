import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { Dialog, ICommandPalette, showDialog, showErrorMessage } from '@jupyterlab/apputils';
import { PageConfig, URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';
import * as React from 'react';

import { type Get, getServerVersion, listProviders } from './client/restapi.js';
import { AboutBody } from './components/AboutBody.js';

const ABOUT = 'jupyter-chatd:about';

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
    const get = getFrom(app.serviceManager.serverSettings);
    app.commands.addCommand(ABOUT, { label: 'Agent: About', execute: () => showAbout(get) });
    palette?.addItem({ command: ABOUT, category: 'Agent' });
  }
};

/** False where an admin switched the agent off: then the page shows no trace of it. */
function isEnabled(): boolean {
  return PageConfig.getOption('jupyterChatdEnabled') !== 'false';
}

function getFrom(settings: ServerConnection.ISettings): Get {
  return path => ServerConnection.makeRequest(URLExt.join(settings.baseUrl, path), {}, settings);
}

async function showAbout(get: Get): Promise<void> {
  try {
    const [serverVersion, providers] = await Promise.all([getServerVersion(get), listProviders(get)]);
    const body = React.createElement(AboutBody, { serverVersion, providers });
    await showDialog({ title: 'About the agent', body, buttons: [Dialog.okButton({ label: 'Close' })] });
  } catch (error) {
    await showErrorMessage('The agent does not answer', error instanceof Error ? error : String(error));
  }
}

export default [about];
