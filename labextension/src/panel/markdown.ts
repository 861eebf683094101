import { type IRenderMimeRegistry, MimeModel } from '@jupyterlab/rendermime';

import type { IMarkdownView } from '../components/host.js';
import { AnswerSanitizer } from './sanitizer.js';

const MARKDOWN = 'text/markdown';
const MATH = /\$|\\\(|\\\[|\\begin\{/;

/** Returns what renders Markdown of models as JupyterLab does, with its math and highlighted code. */
export function markdownFactory(rendermime: IRenderMimeRegistry): () => IMarkdownView {
  const strict = rendermime.clone({ sanitizer: new AnswerSanitizer(rendermime.sanitizer) });
  return () => new MarkdownView(strict);
}

class MarkdownView implements IMarkdownView {
  constructor(private readonly rendermime: IRenderMimeRegistry) {
    this.renderer = rendermime.createRenderer(MARKDOWN);
  }

  get node(): HTMLElement {
    return this.renderer.node;
  }

  /** Renderings do not overtake each other: of those that wait only the last is done. */
  render(markdown: string): Promise<void> {
    this.wanted = markdown;
    this.rendering ??= this.renderWanted().finally(() => {
      this.rendering = undefined;
    });
    return this.rendering;
  }

  dispose(): void {
    this.renderer.dispose();
  }

  private async renderWanted(): Promise<void> {
    let done: string | undefined;
    while (done !== this.wanted && !this.renderer.isDisposed) {
      done = this.wanted;
      await this.renderer.renderModel(new MimeModel({ data: { [MARKDOWN]: done }, trusted: false }));
      if (MATH.test(done)) {
        this.rendermime.latexTypesetter?.typeset(this.node);
      }
    }
  }

  private readonly renderer: ReturnType<IRenderMimeRegistry['createRenderer']>;
  private wanted = '';
  private rendering: Promise<void> | undefined;
}
