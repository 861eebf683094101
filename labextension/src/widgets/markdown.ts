import DOMPurify from 'dompurify';
import { Marked } from 'marked';

import { ALLOWED_ATTRIBUTES, ALLOWED_TAGS, checkedAnswer } from '../components/answer.js';
import type { IMarkdownView } from '../components/host.js';

const marked = new Marked({ async: false, gfm: true });
const ALLOWED = {
  ALLOWED_TAGS: [...ALLOWED_TAGS],
  ALLOWED_ATTR: [...new Set(Object.values(ALLOWED_ATTRIBUTES).flat())],
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false
};

/** Returns the HTML of Markdown that a model wrote: no script, nothing that is fetched. */
export function answerHTML(markdown: string): string {
  return checkedAnswer(DOMPurify.sanitize(marked.parse(markdown) as string, ALLOWED));
}

/** Shows Markdown where JupyterLab's renderers are out of reach. */
export class MarkdownView implements IMarkdownView {
  readonly node = Object.assign(document.createElement('div'), { className: 'jp-RenderedHTMLCommon' });

  render(markdown: string): Promise<void> {
    this.node.innerHTML = answerHTML(markdown);
    return Promise.resolve();
  }

  dispose(): void {
    this.node.remove();
  }
}
