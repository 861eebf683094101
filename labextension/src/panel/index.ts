import type { JupyterFrontEnd } from '@jupyterlab/application';

import { fetchFrom, openSocketFrom } from '../client/connection.js';
import { DesktopAPI } from '../client/desktops.js';
import { isStoppable } from '../client/view.js';
import { DesktopModel } from '../desktop/model.js';
import { loadRFB } from '../desktop/rfb.js';
import { openScreenWith } from '../desktop/screen.js';
import type { Draft } from '../model/draft.js';
import { Follower } from '../model/follower.js';
import type { PanelModel } from '../model/panel.js';
import type { IAgentPanel, ISubject } from '../tokens.js';
import { Desktops, OPEN_DESKTOP } from './desktop.js';
import { agentIcon } from './icons.js';
import { OPEN_IN_MAIN, type Views } from './views.js';
import type { AgentPanelWidget } from './widget.js';

const EDIT_SETTINGS = 'settingeditor:open';

export interface IPanelParts {
  readonly widget: AgentPanelWidget;
  readonly api: IAgentPanel;
  readonly desktops: Desktops;
  /** Ids of the commands that were added. */
  readonly commands: readonly string[];
}

/** Makes the side panel and adds its commands; the caller puts it somewhere. */
export function createPanel(app: JupyterFrontEnd, views: Views): IPanelParts {
  const widget = views.create();
  widget.id = 'jupyter-chatd-panel';
  const { model } = widget;
  const follower = new Follower(model.chats, openSocketFrom(app.serviceManager.serverSettings), views.work);
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
    offer: tools => views.work.add(tools),
    showCells: cells => {
      views.cells = cells;
    }
  };
  const inMain = (chatId: unknown, key: unknown) =>
    key ? views.openInMain(wordFrom(chatId), wordFrom(key)) : views.openInMain(api.chatId);
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
  const openScreen = openScreenWith(openSocketFrom(serverSettings), loadRFB);
  return new Desktops({
    app,
    host,
    chosen,
    chats: model.chats,
    openModel: chatId => new DesktopModel(chatId, { api, openScreen })
  });
}

/** What a command was called with; the saved layout of a view on the list has none. */
function wordFrom(value: unknown): string | undefined {
  return typeof value === 'string' && value ? value : undefined;
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
  inMain: (chatId: unknown, key: unknown) => void
): string[] {
  const open = 'jupyter-chatd:open';
  const compose = 'jupyter-chatd:new-chat';
  const settings = 'jupyter-chatd:settings';
  const search = 'jupyter-chatd:search';
  const stop = 'jupyter-chatd:stop';
  commands.addCommand(open, { label: 'Agent: Open', icon: agentIcon, execute: show });
  commands.addCommand(compose, { label: 'Agent: New Chat', execute: () => api.compose() });
  commands.addCommand(OPEN_IN_MAIN, {
    label: 'Agent: Open in the Main Area',
    execute: ({ chatId, key }) => inMain(chatId, key)
  });
  commands.addCommand(search, {
    label: 'Agent: Search Chats',
    execute: () => {
      model.close();
      model.askForSearch();
      show();
    }
  });
  commands.addCommand(settings, {
    label: 'Agent: Settings',
    isVisible: () => commands.hasCommand(EDIT_SETTINGS),
    isEnabled: () => commands.hasCommand(EDIT_SETTINGS),
    execute: () => commands.execute(EDIT_SETTINGS, { query: 'Agent' })
  });
  commands.addCommand(stop, {
    label: 'Agent: Stop',
    isEnabled: () => isStoppable(model.getState().chat?.getState().view.status),
    execute: () => model.getState().chat?.stop()
  });
  return [open, compose, search, OPEN_IN_MAIN, stop, settings];
}
