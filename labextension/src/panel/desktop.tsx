import type { ILayoutRestorer, JupyterFrontEnd } from '@jupyterlab/application';
import { MainAreaWidget, WidgetTracker } from '@jupyterlab/apputils';
import { ReactWidget } from '@jupyterlab/ui-components';
import * as React from 'react';

import { HostProvider, type IHost } from '../components/host.js';
import { DesktopView } from '../desktop/DesktopView.js';
import type { DesktopModel } from '../desktop/model.js';
import type { Chats } from '../model/chats.js';
import { desktopIcon } from './icons.js';

export const OPEN_DESKTOP = 'jupyter-chatd:open-desktop';

export interface IDesktopsOptions {
  readonly app: JupyterFrontEnd;
  /** Know the titles. */
  readonly chats: Chats;
  readonly host: IHost;
  openModel(chatId: string): DesktopModel;
  /** The chat that is looked at. */
  chosen(): string | undefined;
}

/** The desktops that are shown beside notebooks, at most one view of each. */
export class Desktops {
  constructor(private readonly options: IDesktopsOptions) {
    options.app.commands.addCommand(OPEN_DESKTOP, {
      label: 'Agent: Open the Desktop of This Chat',
      icon: desktopIcon,
      isEnabled: args => this.chatIdOf(args) !== undefined,
      execute: args => this.open(this.chatIdOf(args))
    });
  }

  /** Opens again what was open before the page was loaded. */
  restore(restorer: ILayoutRestorer): void {
    void restorer.restore(this.tracker, {
      command: OPEN_DESKTOP,
      args: ({ content }) => ({ chatId: content.model.chatId }),
      name: ({ content }) => content.model.chatId
    });
  }

  private open(chatId: string | undefined): void {
    if (chatId === undefined) {
      return;
    }
    const { app } = this.options;
    const family = this.options.chats.find(chatId)?.rootChatId ?? chatId;
    const shown = this.tracker.find(({ content }) => content.model.chatId === family);
    const widget = shown ?? this.create(family);
    if (!shown) {
      // Notebook 7 has room for one document only, but a drawer below it.
      const isDrawer = app.name === 'Jupyter Notebook';
      widget.toggleClass('jp-chatd-drawer', isDrawer);
      app.shell.add(widget, isDrawer ? 'down' : 'main');
      void this.tracker.add(widget);
    }
    app.shell.activateById(widget.id);
  }

  private create(chatId: string): MainAreaWidget<DesktopWidget> {
    const { chats, host, openModel } = this.options;
    const widget = new MainAreaWidget({ content: new DesktopWidget(openModel(chatId), host) });
    widget.id = `jupyter-chatd-desktop-${chatId}`;
    widget.title.icon = desktopIcon;
    widget.title.closable = true;
    widget.toolbar.hide(); // the view has its own
    const name = () => {
      const title = chats.find(chatId)?.title;
      widget.title.label = title ? `Desktop of ${title}` : 'Desktop';
    };
    name();
    const unsubscribe = chats.subscribe(name);
    widget.disposed.connect(unsubscribe);
    return widget;
  }

  private chatIdOf({ chatId }: { readonly chatId?: unknown }): string | undefined {
    return typeof chatId === 'string' ? chatId : this.options.chosen();
  }

  private readonly tracker = new WidgetTracker<MainAreaWidget<DesktopWidget>>({
    namespace: 'jupyter-chatd-desktops'
  });
}

/** Shows one desktop. Its connection lives as long as it does. */
class DesktopWidget extends ReactWidget {
  constructor(
    readonly model: DesktopModel,
    private readonly host: IHost
  ) {
    super();
    window.addEventListener('online', this.retryNow);
  }

  override dispose(): void {
    if (!this.isDisposed) {
      window.removeEventListener('online', this.retryNow);
      this.model.dispose();
    }
    super.dispose();
  }

  protected override render(): React.ReactElement {
    return (
      <HostProvider value={this.host}>
        <DesktopView model={this.model} fills />
      </HostProvider>
    );
  }

  private readonly retryNow = (): void => this.model.retryNow();
}
