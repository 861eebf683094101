import { type IRenderMimeRegistry, MimeModel } from '@jupyterlab/rendermime';

import { checkFormulas } from '../components/answer.js';
import type { IMarkdownView } from '../components/host.js';
import { withHarmlessDiagrams } from '../model/diagrams.js';
import { Slices } from '../model/slices.js';
import { AnswerSanitizer } from './sanitizer.js';

const MARKDOWN = 'text/markdown';
const MATH = /\$|\\\(|\\\[|\\begin\{/;

/** Returns what renders Markdown of models as JupyterLab does, with its math and highlighted code. */
export function markdownFactory(rendermime: IRenderMimeRegistry): () => IMarkdownView {
  const { markdownParser: parser } = rendermime;
  const strict = rendermime.clone({
    sanitizer: new AnswerSanitizer(rendermime.sanitizer),
    ...(parser && { markdownParser: { render: source => parser.render(withHarmlessDiagrams(source)) } })
  });
  const slices = new Slices();
  return () => new MarkdownView(strict, slices);
}

class MarkdownView implements IMarkdownView {
  constructor(
    private readonly rendermime: IRenderMimeRegistry,
    private readonly slices: Slices
  ) {
    this.renderer = rendermime.createRenderer(MARKDOWN);
  }

  get node(): HTMLElement {
    return this.renderer.node;
  }

  /** Renderings do not overtake each other: of those that wait only the last is done. */
  render(markdown: string, isGrowing = false): Promise<void> {
    this.wanted = markdown;
    this.isGrowing = isGrowing;
    this.rendering ??= this.slices
      .run(() => this.renderWanted())
      .finally(() => {
        this.rendering = undefined;
      });
    return this.rendering;
  }

  dispose(): void {
    this.renderer.dispose();
  }

  private async renderWanted(): Promise<void> {
    while (this.shown !== this.wanted && !this.renderer.isDisposed) {
      this.shown = this.wanted;
      this.isTypeset = false;
      const model = new MimeModel({ data: { [MARKDOWN]: this.shown }, trusted: false });
      await this.renderer.renderModel(model);
    }
    if (!this.isGrowing && !this.isTypeset && MATH.test(this.wanted) && !this.renderer.isDisposed) {
      this.isTypeset = true;
      void this.typeset();
    }
  }

  /** Nobody waits for it: text that comes meanwhile is rendered at once. */
  private async typeset(): Promise<void> {
    await this.rendermime.latexTypesetter?.typeset(this.node);
    checkFormulas(this.node);
  }

  private readonly renderer: ReturnType<IRenderMimeRegistry['createRenderer']>;
  private wanted = '';
  private shown: string | undefined;
  private isGrowing = false;
  private isTypeset = false;
  private rendering: Promise<void> | undefined;
}
