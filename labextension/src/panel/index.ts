import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { IRenderMimeRegistry } from '@jupyterlab/rendermime';

import { ChatAPI } from '../client/chats.js';
import { fetchFrom, openSocketFrom } from '../client/connection.js';
import { getCatalog } from '../client/restapi.js';
import { isStoppable } from '../client/view.js';
import type { Draft } from '../model/draft.js';
import { PanelModel } from '../model/panel.js';
import type { IAgentPanel, ISubject } from '../tokens.js';
import { hostFrom } from './host.js';
import { agentIcon } from './icons.js';
import { AgentPanelWidget } from './widget.js';

export interface IPanelParts {
  readonly widget: AgentPanelWidget;
  readonly api: IAgentPanel;
  /** Ids of the commands that were added. */
  readonly commands: readonly string[];
}

/** Makes the side panel and adds its commands; the caller puts it somewhere. */
export function createPanel(app: JupyterFrontEnd, rendermime: IRenderMimeRegistry): IPanelParts {
  const { serverSettings } = app.serviceManager;
  const fetch = fetchFrom(serverSettings);
  const chats = new ChatAPI(fetch);
  const model = new PanelModel(chats, openSocketFrom(serverSettings), () => getCatalog(fetch));
  const widget = new AgentPanelWidget(model, hostFrom(app, chats, rendermime));
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
  return { widget, api, commands: addCommands(app, model, api, show) };
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
  show: () => void
): string[] {
  const open = 'jupyter-chatd:open';
  const compose = 'jupyter-chatd:new-chat';
  const stop = 'jupyter-chatd:stop';
  commands.addCommand(open, { label: 'Agent: Open', icon: agentIcon, execute: show });
  commands.addCommand(compose, { label: 'Agent: New Chat', execute: () => api.compose() });
  commands.addCommand(stop, {
    label: 'Agent: Stop',
    isEnabled: () => isStoppable(model.getState().chat?.getState().view.status),
    execute: () => model.getState().chat?.stop()
  });
  return [open, compose, stop];
}
