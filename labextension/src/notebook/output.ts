import type { NotebookPanel } from '@jupyterlab/notebook';
import type { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import { Panel } from '@lumino/widgets';

import type { IBundle, IWidgetState } from '../widgets/contract.js';
import { pageServer } from '../widgets/page.js';

/** What the kernel's package puts beside each widget: enough to draw it without a kernel. */
const OURS = 'application/vnd.jupyter-chatd.widget+json';
const WIDGET = 'application/vnd.jupyter.widget-view+json';
const TEXT = 'text/plain';
/** What stands for a widget that cannot be drawn, best first. */
const COPIES = ['text/html', 'image/png'];
const RANK = -20; // before the widget itself, whose output is drawn anew at each update
const PATIENCE = 2_000; // ms for a kernel's widget to appear
const BUNDLE = /^widgets-\w+\.js$/;

interface IOutput extends IWidgetState {
  readonly model_id: string;
}

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
    const output = model.data[OURS] as unknown as IOutput;
    if (output.model_id === this.shownId) {
      return; // only the copy beside it is another: the view keeps itself up to date
    }
    this.shownId = output.model_id;
    this.clear();
    if (!(await this.showWidget(model)) && !(await this.showSaved(output))) {
      await this.draw(COPIES.find(type => type in model.data) ?? TEXT, model);
    }
  }

  override dispose(): void {
    this.end?.();
    super.dispose();
  }

  /** Returns whether there is a kernel that has the widget. */
  private async showWidget(model: IRenderMime.IMimeModel): Promise<boolean> {
    if (!this.rendermime.mimeTypes.includes(WIDGET)) {
      return false;
    }
    void this.draw(WIDGET, model); // waits for a kernel, which may never come
    const giveUpAt = Date.now() + PATIENCE;
    while (!this.isDisposed && Date.now() < giveUpAt) {
      if (this.widgets[0]?.node.firstElementChild) {
        return true;
      }
      await new Promise(resolve => setTimeout(resolve, 50));
    }
    this.clear();
    return this.isDisposed;
  }

  /** Draws from the saved state; returns whether this server has what draws it. */
  private async showSaved(output: IOutput): Promise<boolean> {
    const server = pageServer();
    if (!server || !BUNDLE.test(output._bundle)) {
      return false;
    }
    try {
      const url = `${server.baseUrl}static/jupyter_chatd/${output._bundle}?v=1`;
      const bundle: IBundle = await import(/* webpackIgnore: true */ url);
      this.end = bundle.render({ model: new SavedModel(output), el: this.node });
      return true;
    } catch {
      return false; // a server with another version; the copy is what remains
    }
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

/** A widget's state without a kernel: nobody hears what is said to it. */
class SavedModel {
  constructor(private readonly state: IOutput) {}

  get(name: string): unknown {
    return this.state[name as keyof IOutput];
  }
  on(): void {}
  off(): void {}
  send(): void {}
}
