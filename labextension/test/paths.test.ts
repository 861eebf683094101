import assert from 'node:assert/strict';
import { test } from 'node:test';

import { belowRoot } from '../src/notebook/tools/paths.js';

const PATHS: [path: string, root: string, below: string][] = [
  ['sub/a.ipynb', '/srv/work', 'sub/a.ipynb'],
  ['./sub/a.ipynb', '/srv/work', 'sub/a.ipynb'],
  ['/srv/work/sub/a.ipynb', '/srv/work/', 'sub/a.ipynb'],
  ['/srv/workshop/a.ipynb', '/srv/work', 'srv/workshop/a.ipynb'],
  ['/home/ada/work/sub/a.ipynb', '~/work', 'sub/a.ipynb'],
  ['/home/ada/work/work/a.ipynb', '~/work', 'work/a.ipynb'],
  ['/home/ada/other/a.ipynb', '~/work', 'home/ada/other/a.ipynb'],
  ['work/a.ipynb', '~/work', 'work/a.ipynb'],
  ['/srv/work/a.ipynb', '', 'srv/work/a.ipynb']
];

for (const [path, root, below] of PATHS) {
  test(`${path} below ${root || 'an unknown root'}`, () => {
    assert.equal(belowRoot(path, root), below);
  });
}
