import type { ILayoutRestorer, JupyterFrontEnd } from '@jupyterlab/application';
import { MainAreaWidget, WidgetTracker } from '@jupyterlab/apputils';
import type { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { UUID } from '@lumino/coreutils';

import { ChatAPI } from '../client/chats.js';
import { fetchFrom, openSocketFrom } from '../client/connection.js';
import { getCatalog } from '../client/restapi.js';
import type { ICells } from '../components/host.js';
import { PanelModel } from '../model/panel.js';
import type { Preferences } from '../model/preferences.js';
import { ToolWork } from '../model/toolwork.js';
import { offerHost } from '../widgets/pagehost.js';
import { acceptFiles } from './drop.js';
import { hostFrom } from './host.js';
import { agentIcon } from './icons.js';
import { AgentPanelWidget } from './widget.js';

export const OPEN_IN_MAIN = 'jupyter-chatd:open-in-main';

const PREFIX = 'jupyter-chatd-main-'; // of the ids of views

export interface IViewsOptions {
  readonly app: JupyterFrontEnd;
  readonly rendermime: IRenderMimeRegistry;
  readonly preferences: Preferences;
}

/** Makes views of the chats, and keeps those in the main area for the time after a reload. */
export class Views {
  constructor(private readonly options: IViewsOptions) {
    const api = new ChatAPI(fetchFrom(options.app.serviceManager.serverSettings));
    this.work = new ToolWork(api, `jupyterlab-${UUID.uuid4()}`);
    window.addEventListener('pagehide', () => this.work.leave());
  }

  /** What runs the tools of this page, for all of its views; says what is lost when the page goes away. */
  readonly work: ToolWork;

  /** Shows cells of notebooks, once somebody can. */
  cells: ICells | undefined;

  /** Makes a view, with connections of its own; the caller puts it somewhere. */
  create(): AgentPanelWidget {
    const { app, rendermime, preferences } = this.options;
    const { serverSettings } = app.serviceManager;
    const fetch = fetchFrom(serverSettings);
    const chats = new ChatAPI(fetch, this.work);
    const model = new PanelModel(chats, openSocketFrom(serverSettings), () => getCatalog(fetch), this.work);
    const openBeside = (chatId: string) => this.openInMain(chatId);
    const host = hostFrom(app, chats, rendermime, openBeside, preferences);
    offerHost(host);
    const view = new AgentPanelWidget(model, { ...host, cells: () => this.cells });
    const draft = () => model.getState().chat?.draft ?? model.draft;
    acceptFiles(view.node, draft, app.serviceManager.contents);
    return view;
  }

  /** Shows a chat, or the list, in the main area; *key* is that of a view which was there before a reload. */
  openInMain(chatId: string | undefined, key: string = UUID.uuid4()): void {
    const view = new MainAreaWidget({ content: this.create() });
    const { model } = view.content;
    view.id = `${PREFIX}${key}`;
    view.title.label = 'Agent';
    view.title.icon = agentIcon;
    view.title.closable = true;
    if (chatId !== undefined) {
      model.open(chatId);
    }
    this.options.app.shell.add(view, 'main');
    void this.tracker.add(view);
    view.disposed.connect(model.subscribe(() => void this.tracker.save(view)));
  }

  /** Opens again what was open before the page was loaded. */
  restore(restorer: ILayoutRestorer): void {
    void restorer.restore(this.tracker, {
      command: OPEN_IN_MAIN,
      args: ({ id, content }) => ({
        chatId: content.model.getState().chat?.id ?? '',
        key: id.slice(PREFIX.length)
      }),
      name: ({ id }) => id
    });
  }

  private readonly tracker = new WidgetTracker<MainAreaWidget<AgentPanelWidget>>({
    namespace: 'jupyter-chatd-chats'
  });
}
