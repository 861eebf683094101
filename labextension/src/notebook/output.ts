import type { NotebookPanel } from '@jupyterlab/notebook';
import type { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import { Panel } from '@lumino/widgets';

import { directConnection, hasChat } from '../widgets/connection.js';
import type { IBundle, IWidgetState } from '../widgets/contract.js';
import { pageServer } from '../widgets/page.js';

/** What the kernel's package puts beside each widget, and beside boxes of them: enough to draw them without a kernel. */
const OURS = 'application/vnd.jupyter-chatd.widget+json';
const WIDGET = 'application/vnd.jupyter.widget-view+json';
const TEXT = 'text/plain';
/** What stands for a widget that cannot be drawn, best first. */
const COPIES = ['text/html', 'image/png'];
const RANK = -20; // before the widget itself, whose output is drawn anew at each update
const PATIENCE = 2_000; // ms for a kernel's widget to appear
const DRAWN = '.jp-chatd-widget';
/** What ipywidgets shows where it cannot load what draws a widget: here, anywidget. */
const NOT_DRAWN = '.jupyter-widgets-error-widget';
const BUNDLE = /^widgets-\w+\.js$/;

type Output = { readonly model_id: string } & (IWidgetState | { readonly parts: readonly IWidgetState[] });

/** Shows the agent's widgets of a notebook: those of its kernel, and where that is gone, from what was saved. */
export function addWidgetOutput({ content: { rendermime } }: NotebookPanel): void {
  const createRenderer = () => new WidgetOutput(rendermime);
  rendermime.addFactory({ safe: false, mimeTypes: [OURS], createRenderer }, RANK);
}

class WidgetOutput extends Panel implements IRenderMime.IRenderer {
  constructor(private readonly rendermime: IRenderMimeRegistry) {
    super();
  }

  async renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    const output = model.data[OURS] as unknown as Output;
    if (output.model_id === this.shownId) {
      return; // only the copy beside it is another: the view keeps itself up to date
    }
    this.shownId = output.model_id;
    this.clear();
    if (!(await this.showWidget(model, 'parts' in output)) && !(await this.showSaved(output))) {
      await this.draw(COPIES.find(type => type in model.data) ?? TEXT, model);
    }
  }

  override dispose(): void {
    this.end?.();
    super.dispose();
  }

  /**
   * Returns whether there is a kernel that has the widget, and what draws it. A box may also hold widgets of others that
   * cannot be drawn: it is shown if any of ours is.
   */
  private async showWidget(model: IRenderMime.IMimeModel, isBox: boolean): Promise<boolean> {
    if (!this.rendermime.mimeTypes.includes(WIDGET)) {
      return false;
    }
    void this.draw(WIDGET, model); // waits for a kernel, which may never come
    const giveUpAt = Date.now() + PATIENCE;
    const awaited = isBox ? DRAWN : `${DRAWN}, ${NOT_DRAWN}`;
    while (!this.isDisposed && Date.now() < giveUpAt && !this.node.querySelector(awaited)) {
      await new Promise(resolve => setTimeout(resolve, 50));
    }
    const hasFailed = this.node.querySelector(NOT_DRAWN) && !this.node.querySelector(DRAWN);
    if (this.isDisposed || (this.widgets[0]?.node.firstElementChild && !hasFailed)) {
      return true;
    }
    this.clear();
    return false;
  }

  /** Draws from the saved state; returns whether this server has the chats, and what draws them. */
  private async showSaved(output: Output): Promise<boolean> {
    const parts = 'parts' in output ? output.parts : [output];
    const draws = (await Promise.all(parts.map(loadSaved))).filter(draw => draw !== undefined);
    if (this.isDisposed || draws.length < parts.length) {
      return this.isDisposed;
    }
    const ends = draws.map(draw => draw(this.node.appendChild(document.createElement('div'))));
    this.end = () => {
      for (const end of ends) {
        end();
      }
    };
    return true;
  }

  private draw(mimeType: string, model: IRenderMime.IMimeModel): Promise<void> {
    const renderer = this.rendermime.createRenderer(mimeType);
    this.addWidget(renderer);
    return renderer.renderModel(model);
  }

  private clear(): void {
    this.end?.();
    this.end = undefined;
    for (const widget of [...this.widgets]) {
      widget.dispose();
    }
  }

  private shownId: string | undefined;
  private end: (() => void) | undefined;
}

/** Draws into an element until the returned function is called. */
type Draw = (el: HTMLElement) => () => void;

/** Returns what draws a widget; `undefined` where the server has another version, or not the chat: then the copy remains. */
async function loadSaved(state: IWidgetState): Promise<Draw | undefined> {
  const server = pageServer();
  if (!server || !BUNDLE.test(state._bundle) || !(await hasChat(directConnection(server), state._chat_id))) {
    return undefined;
  }
  try {
    const url = `${server.baseUrl}static/jupyter_chatd/${state._bundle}?v=1`;
    const bundle: IBundle = await import(/* webpackIgnore: true */ url);
    return el => removing(el, bundle.render({ model: new SavedModel(state), el }));
  } catch {
    return undefined;
  }
}

function removing(el: HTMLElement, end: () => void): () => void {
  return () => {
    end();
    el.remove();
  };
}

/** A widget's state without a kernel: nobody hears what is said to it. */
class SavedModel {
  constructor(private readonly state: IWidgetState) {}

  get(name: string): unknown {
    return this.state[name as keyof IWidgetState];
  }
  on(): void {}
  off(): void {}
  send(): void {}
}
