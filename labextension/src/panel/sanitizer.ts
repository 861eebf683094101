import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';

import { ALLOWED_ATTRIBUTES, ALLOWED_TAGS, checkedAnswer } from '../components/answer.js';

const ALLOWED: IRenderMime.ISanitizerOptions = {
  allowedTags: [...ALLOWED_TAGS],
  allowedAttributes: ALLOWED_ATTRIBUTES,
  allowedStyles: {}
};

/** JupyterLab's sanitizer for what a model says: no request leaves the page, and a link shows where it leads. */
export class AnswerSanitizer implements IRenderMime.ISanitizer {
  constructor(private readonly base: IRenderMime.ISanitizer) {}

  readonly allowNamedProperties = false;
  readonly allowCommandLinker = false;

  getAutolink(): boolean {
    return this.base.getAutolink?.() ?? true;
  }

  sanitize(dirty: string): string {
    return checkedAnswer(this.base.sanitize(dirty, ALLOWED));
  }
}
