import type { JupyterFrontEnd } from '@jupyterlab/application';
import { MainAreaWidget } from '@jupyterlab/apputils';
import type { IRenderMimeRegistry } from '@jupyterlab/rendermime';

import { ChatAPI } from '../client/chats.js';
import { fetchFrom, openSocketFrom } from '../client/connection.js';
import { DesktopAPI } from '../client/desktops.js';
import { getCatalog } from '../client/restapi.js';
import { isStoppable } from '../client/view.js';
import { DesktopModel } from '../desktop/model.js';
import { openScreenWith } from '../desktop/screen.js';
import type { Draft } from '../model/draft.js';
import { PanelModel } from '../model/panel.js';
import type { IAgentPanel, ISubject } from '../tokens.js';
import { Desktops, OPEN_DESKTOP } from './desktop.js';
import { hostFrom } from './host.js';
import { agentIcon } from './icons.js';
import { AgentPanelWidget } from './widget.js';

/** Makes a view of the chats, with connections of its own. */
function createView(app: JupyterFrontEnd, rendermime: IRenderMimeRegistry): AgentPanelWidget {
  const { serverSettings } = app.serviceManager;
  const fetch = fetchFrom(serverSettings);
  const chats = new ChatAPI(fetch);
  const model = new PanelModel(chats, openSocketFrom(serverSettings), () => getCatalog(fetch));
  const openBeside = (chatId: string) => openInMain(app, rendermime, chatId);
  return new AgentPanelWidget(model, hostFrom(app, chats, rendermime, openBeside));
}

/** Shows a chat, or the list, in the main area. */
function openInMain(app: JupyterFrontEnd, rendermime: IRenderMimeRegistry, chatId: string | undefined): void {
  const view = new MainAreaWidget({ content: createView(app, rendermime) });
  view.title.label = 'Agent';
  view.title.icon = agentIcon;
  view.title.closable = true;
  if (chatId !== undefined) {
    view.content.model.open(chatId);
  }
  app.shell.add(view, 'main');
}

export interface IPanelParts {
  readonly widget: AgentPanelWidget;
  readonly api: IAgentPanel;
  readonly desktops: Desktops;
  /** Ids of the commands that were added. */
  readonly commands: readonly string[];
}

/** Makes the side panel and adds its commands; the caller puts it somewhere. */
export function createPanel(app: JupyterFrontEnd, rendermime: IRenderMimeRegistry): IPanelParts {
  const widget = createView(app, rendermime);
  widget.id = 'jupyter-chatd-panel';
  const { model } = widget;
  const show = () => app.shell.activateById(widget.id);
  const api: IAgentPanel = {
    get chatId() {
      return model.getState().chat?.id;
    },
    open: chatId => {
      model.open(chatId);
      show();
    },
    compose: text => {
      model.close();
      if (text !== undefined) {
        model.draft.setText(text);
      }
      show();
    },
    discuss: subject => {
      const { chat } = model.getState();
      put(subject, chat?.draft ?? model.draft);
      chat?.askForInput();
      show();
    }
  };
  const inMain = () => openInMain(app, rendermime, api.chatId);
  const desktops = createDesktops(app, widget, () => api.chatId);
  const commands = [...addCommands(app, model, api, show, inMain), OPEN_DESKTOP];
  return { widget, api, desktops, commands };
}

function createDesktops(
  app: JupyterFrontEnd,
  { model, host }: AgentPanelWidget,
  chosen: () => string | undefined
): Desktops {
  const { serverSettings } = app.serviceManager;
  const api = new DesktopAPI(fetchFrom(serverSettings));
  const openScreen = openScreenWith(openSocketFrom(serverSettings));
  return new Desktops({
    app,
    host,
    chosen,
    chats: model.chats,
    openModel: chatId => new DesktopModel(chatId, { api, openScreen })
  });
}

function put({ text, references, files }: ISubject, draft: Draft): void {
  if (text !== undefined) {
    draft.append(text);
  }
  for (const { label, place, content } of references) {
    draft.refer(label, { type: 'file-reference', file_name: place, content });
  }
  for (const { data, name } of files) {
    void draft.attach(data, name);
  }
}

function addCommands(
  { commands }: JupyterFrontEnd,
  model: PanelModel,
  api: IAgentPanel,
  show: () => void,
  inMain: () => void
): string[] {
  const open = 'jupyter-chatd:open';
  const compose = 'jupyter-chatd:new-chat';
  const main = 'jupyter-chatd:open-in-main';
  const stop = 'jupyter-chatd:stop';
  commands.addCommand(open, { label: 'Agent: Open', icon: agentIcon, execute: show });
  commands.addCommand(compose, { label: 'Agent: New Chat', execute: () => api.compose() });
  commands.addCommand(main, { label: 'Agent: Open in the Main Area', execute: inMain });
  commands.addCommand(stop, {
    label: 'Agent: Stop',
    isEnabled: () => isStoppable(model.getState().chat?.getState().view.status),
    execute: () => model.getState().chat?.stop()
  });
  return [open, compose, main, stop];
}
