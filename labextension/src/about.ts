import { Dialog, showDialog, showErrorMessage } from '@jupyterlab/apputils';
import * as React from 'react';

import { type Fetch, getServerVersion, listProviders } from './client/restapi.js';
import { AboutBody } from './components/AboutBody.js';

/** Asks the server what the agent runs on and shows it; an error is shown the same way, not thrown. */
export async function showAbout(fetch: Fetch): Promise<void> {
  try {
    const [serverVersion, providers] = await Promise.all([getServerVersion(fetch), listProviders(fetch)]);
    const body = React.createElement(AboutBody, { serverVersion, providers });
    await showDialog({ title: 'About the agent', body, buttons: [Dialog.okButton({ label: 'Close' })] });
  } catch (error) {
    await showErrorMessage('The agent does not answer', error instanceof Error ? error : String(error));
  }
}
