import { ReactWidget } from '@jupyterlab/ui-components';
import * as React from 'react';

import { AgentPanel } from '../components/AgentPanel.js';
import type { IHost } from '../components/host.js';
import type { PanelModel } from '../model/panel.js';
import { agentIcon } from './icons.js';

/** A view of the chats, in the side panel or in the main area. Its connections live as long as it does. */
export class AgentPanelWidget extends ReactWidget {
  constructor(
    readonly model: PanelModel,
    readonly host: IHost
  ) {
    super();
    this.title.icon = agentIcon;
    this.title.caption = 'Agent';
    this.addClass('jp-chatd-panel');
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', 'Agent');
    window.addEventListener('online', this.retryNow);
    document.addEventListener('visibilitychange', this.retryNow);
  }

  override dispose(): void {
    if (!this.isDisposed) {
      window.removeEventListener('online', this.retryNow);
      document.removeEventListener('visibilitychange', this.retryNow);
      this.model.dispose();
    }
    super.dispose();
  }

  protected override render(): React.ReactElement {
    return <AgentPanel model={this.model} host={this.host} />;
  }

  /** The network is back, or the page is looked at again: do not wait for the next try. */
  private readonly retryNow = (): void => this.model.retryNow();
}
