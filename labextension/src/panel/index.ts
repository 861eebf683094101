import type { JupyterFrontEnd } from '@jupyterlab/application';
import { MainAreaWidget } from '@jupyterlab/apputils';
import type { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { UUID } from '@lumino/coreutils';

import { ChatAPI } from '../client/chats.js';
import { fetchFrom, openSocketFrom } from '../client/connection.js';
import { DesktopAPI } from '../client/desktops.js';
import { getCatalog } from '../client/restapi.js';
import { isStoppable } from '../client/view.js';
import type { ICells } from '../components/host.js';
import { DesktopModel } from '../desktop/model.js';
import { openScreenWith } from '../desktop/screen.js';
import type { Draft } from '../model/draft.js';
import { Follower } from '../model/follower.js';
import { PanelModel } from '../model/panel.js';
import { ToolWork } from '../model/toolwork.js';
import type { IAgentPanel, ISubject } from '../tokens.js';
import { Desktops, OPEN_DESKTOP } from './desktop.js';
import { hostFrom } from './host.js';
import { agentIcon } from './icons.js';
import { AgentPanelWidget } from './widget.js';

/** What all views of a page have in common. */
interface IPage {
  readonly work: ToolWork;
  cells: ICells | undefined;
}

/** Makes a view of the chats, with connections of its own. */
function createView(app: JupyterFrontEnd, rendermime: IRenderMimeRegistry, page: IPage): AgentPanelWidget {
  const { serverSettings } = app.serviceManager;
  const fetch = fetchFrom(serverSettings);
  const chats = new ChatAPI(fetch, page.work);
  const model = new PanelModel(chats, openSocketFrom(serverSettings), () => getCatalog(fetch), page.work);
  const openBeside = (chatId: string) => openInMain(app, rendermime, page, chatId);
  const host = hostFrom(app, chats, rendermime, openBeside);
  return new AgentPanelWidget(model, { ...host, cells: () => page.cells });
}

/** Makes what runs the tools of this page, for all of its views; says what is lost when the page goes away. */
function createWork(app: JupyterFrontEnd): ToolWork {
  const api = new ChatAPI(fetchFrom(app.serviceManager.serverSettings));
  const work = new ToolWork(api, `jupyterlab-${UUID.uuid4()}`);
  window.addEventListener('pagehide', () => work.leave());
  return work;
}

/** Shows a chat, or the list, in the main area. */
function openInMain(
  app: JupyterFrontEnd,
  rendermime: IRenderMimeRegistry,
  page: IPage,
  chatId: string | undefined
): void {
  const view = new MainAreaWidget({ content: createView(app, rendermime, page) });
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
  const page: IPage = { work: createWork(app), cells: undefined };
  const widget = createView(app, rendermime, page);
  widget.id = 'jupyter-chatd-panel';
  const { model } = widget;
  const follower = new Follower(model.chats, openSocketFrom(app.serviceManager.serverSettings), page.work);
  widget.disposed.connect(() => follower.dispose());
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
    },
    offer: tools => page.work.add(tools),
    showCells: cells => {
      page.cells = cells;
    }
  };
  const inMain = () => openInMain(app, rendermime, page, api.chatId);
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
