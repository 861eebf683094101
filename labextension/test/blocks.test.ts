import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { splitBlocks } from '../src/model/blocks.js';

const WHOLE: Readonly<Record<string, string>> = {
  'a fence with blank lines': '```python\na = 1\n\n\nb = 2\n```',
  'a fence that has not ended': '```python\na = 1\n\nb = 2',
  'a longer fence around a shorter one': '````\n```\n\n```\n\nmore\n````',
  'a loose list': '1. one\n\n2. two\n\n   more of two\n\n3. three',
  'a fence in a list': '- one\n\n  ```sh\n  ls\n\n  pwd\n  ```\n\n- two',
  'a formula with a blank line': '$$\na\n\nb\n$$',
  'HTML with blank lines': '<details>\n\ninside\n\n</details>',
  'indented code': 'text:\n\n    a\n\n    b',
  'a table': '| a | b |\n|---|---|\n| 1 | 2 |'
};

describe('splitBlocks', () => {
  for (const [name, markdown] of Object.entries(WHOLE)) {
    test(`leaves ${name} whole`, () => {
      assert.deepEqual(splitBlocks(markdown), [markdown]);
    });
  }

  test('cuts at blank lines, and behind a fence', () => {
    assert.deepEqual(splitBlocks('# Title\n\none\ntwo\n\n\nthree\n```\ncode\n```\nfour\n'), [
      '# Title',
      'one\ntwo',
      'three\n```\ncode\n```',
      'four'
    ]);
  });

  test('cuts where a list ends', () => {
    assert.deepEqual(splitBlocks('- a\n- b\n\nnext'), ['- a\n- b', 'next']);
  });

  test('has no blocks for blank text', () => {
    assert.deepEqual(splitBlocks(' \n\n'), []);
  });

  test('gives definitions of links to every block that may use them', () => {
    assert.deepEqual(splitBlocks('see [it]\n\nno link\n\n[it]: https://example.org'), [
      'see [it]\n\n[it]: https://example.org',
      'no link',
      '[it]: https://example.org\n\n[it]: https://example.org'
    ]);
  });

  test('keeps all blocks but the last one while text grows', () => {
    const markdown = `${Object.values(WHOLE).join('\n\nand then\n\n')}\n\nThe end.`;
    let before: string[] = [];
    for (let length = 0; length <= markdown.length; length += 1) {
      const blocks = splitBlocks(markdown.slice(0, length));
      const stable = before.slice(0, -1);
      assert.deepEqual(blocks.slice(0, stable.length), stable, `after ${length} characters`);
      before = blocks;
    }
  });
});
