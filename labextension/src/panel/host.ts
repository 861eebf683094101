import type { JupyterFrontEnd } from '@jupyterlab/application';
import { Clipboard, Notification } from '@jupyterlab/apputils';
import { URLExt } from '@jupyterlab/coreutils';
import type { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import type { Contents } from '@jupyterlab/services';

import { type ChatAPI, filePath } from '../client/chats.js';
import type { ICodeAction, IHost } from '../components/host.js';
import type { IFolderEntry } from '../model/mention.js';
import type { Preferences } from '../model/preferences.js';
import { OPEN_DESKTOP } from './desktop.js';
import { Icon } from './icons.js';
import { markdownFactory } from './markdown.js';

const INSERT = 'notebook:insert-cell-below';
const FILL = 'notebook:replace-selection';
const RUN = 'notebook:run-cell';

/** Returns what the components need of JupyterLab or Notebook. */
export function hostFrom(
  app: JupyterFrontEnd,
  api: ChatAPI,
  rendermime: IRenderMimeRegistry,
  openBeside: (chatId: string) => void,
  preferences: Preferences
): IHost {
  const { baseUrl } = app.serviceManager.serverSettings;
  return {
    Icon,
    codeActions: codeActions(app.commands),
    focusesInput: true,
    createMarkdown: markdownFactory(rendermime),
    preferences,
    openBeside,
    openDesktop: chatId => void app.commands.execute(OPEN_DESKTOP, { chatId }),
    listFolder: path => listFolder(app.serviceManager.contents, path),
    fileURL: fileId => URLExt.join(baseUrl, filePath(fileId)),
    fileText: fileId => api.fileText(fileId)
  };
}

async function listFolder(contents: Contents.IManager, path: string): Promise<readonly IFolderEntry[]> {
  const { content } = await contents.get(path, { type: 'directory', content: true });
  return (content as readonly Contents.IModel[]).map(({ name, path: own, type }) => ({
    name,
    path: own,
    isFolder: type === 'directory'
  }));
}

/** Copying always works; the others need a notebook in front, whose own commands they use, so both can be undone. */
function codeActions(commands: JupyterFrontEnd['commands']): ICodeAction[] {
  const copy: ICodeAction = { label: 'Copy', run: code => Clipboard.copyToSystem(code) };
  const inNotebook = async (code: string, ...more: readonly string[]) => {
    if (!commands.isEnabled(INSERT)) {
      Notification.warning('Open a notebook and choose the cell below which the code shall stand.');
      return;
    }
    await commands.execute(INSERT);
    await commands.execute(FILL, { text: code });
    for (const command of more) {
      await commands.execute(command);
    }
  };
  return [
    copy,
    { label: 'Insert below', run: code => void inNotebook(code) },
    { label: 'Insert and run', run: code => void inNotebook(code, RUN) }
  ];
}
