import { ReactWidget } from '@jupyterlab/ui-components';
import * as React from 'react';

import { AgentPanel } from '../components/AgentPanel.js';
import type { IHost } from '../components/host.js';
import type { PanelModel } from '../model/panel.js';
import { agentIcon } from './icons.js';

/** JupyterLab's sizes by the normal one. */
const FONT_SIZES: Readonly<Record<string, number>> = {
  '--jp-ui-font-size0': 0.85,
  '--jp-ui-font-size1': 1,
  '--jp-ui-font-size2': 1.15,
  '--jp-ui-font-size3': 1.35,
  '--jp-code-font-size': 1
};

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
    this.forget = host.preferences?.subscribe(this.setFont);
    this.setFont();
  }

  override dispose(): void {
    if (!this.isDisposed) {
      window.removeEventListener('online', this.retryNow);
      document.removeEventListener('visibilitychange', this.retryNow);
      this.forget?.();
      this.model.dispose();
    }
    super.dispose();
  }

  protected override render(): React.ReactElement {
    return <AgentPanel model={this.model} host={this.host} />;
  }

  /** All sizes are the theme's, or follow the one that the user wants. */
  private readonly setFont = (): void => {
    const size = this.host.preferences?.getState().fontSize ?? 0;
    for (const [name, factor] of Object.entries(FONT_SIZES)) {
      this.node.style.setProperty(name, size ? `${Math.round(size * factor)}px` : '');
    }
  };

  private readonly forget: (() => void) | undefined;

  /** The network is back, or the page is looked at again: do not wait for the next try. */
  private readonly retryNow = (): void => this.model.retryNow();
}
