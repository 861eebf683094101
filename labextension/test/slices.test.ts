import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Slices } from '../src/model/slices.js';

test('the page has its turn whenever enough was done, and the last comes first', async () => {
  let now = 0;
  const seen: string[] = [];
  const slices = new Slices(
    async () => void seen.push('rest'),
    () => now
  );
  const jobs = ['a', 'b', 'c', 'd'].map(name =>
    slices.run(async () => {
      seen.push(name);
      now += 6;
    })
  );
  await Promise.all(jobs);
  assert.deepEqual(seen, ['d', 'c', 'rest', 'b', 'a', 'rest']);
});

test('what fails is told to who asked for it, and the rest is done', async () => {
  const slices = new Slices();
  const done = slices.run(async () => undefined);
  const failed = slices.run(() => Promise.reject(new Error('no renderer')));
  await assert.rejects(failed, /no renderer/);
  await done;
  await slices.run(async () => undefined);
});
