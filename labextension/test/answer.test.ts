import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';

import { checkFormulas } from '../src/components/answer.js';

/** What of a browser's class is in use; Node has none. */
class Link {
  constructor(
    readonly href: string,
    public textContent: string
  ) {}
  get host(): string {
    return new URL(this.href).host;
  }
  getAttribute(): string {
    return this.href;
  }
  append(text: string): void {
    this.textContent += text;
  }
}

beforeEach(() => {
  Object.assign(globalThis, { location: { host: 'localhost:8888' }, HTMLAnchorElement: Link });
});

afterEach(() => {
  for (const name of ['location', 'HTMLAnchorElement']) {
    Reflect.deleteProperty(globalThis, name);
  }
});

test('a formula says once where it leads, however often it is checked', () => {
  const link = new Link('https://there.example/', 'https://here.example/page');
  let behind = '';
  const formula = {
    querySelectorAll: () => [link],
    after: (text: string) => {
      behind += text;
    }
  };
  const node = {
    querySelectorAll: (selector: string) => (selector === 'mjx-container' ? [formula] : [])
  } as unknown as Element;

  checkFormulas(node);
  checkFormulas(node);

  assert.equal(behind, ' (there.example)');
  assert.equal(link.textContent, 'https://here.example/page (there.example)');
});
