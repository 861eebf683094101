import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import type { IUsage } from '../src/client/values.js';
import { contextOf } from '../src/components/UsageLine.js';
import { row } from './build.js';

function usage(inputTokens: number): IUsage {
  return {
    inputTokens,
    outputTokens: 5,
    cacheReadTokens: 20,
    cacheCreationTokens: undefined,
    contextLimit: 1000
  };
}

const ANSWER = row(2, 'assistant', [], { usage: usage(700) });

describe('the context', () => {
  test('is as full as the last answer says', () => {
    assert.deepEqual(contextOf([row(1, 'user'), ANSWER, row(3, 'user')]), { used: 725, limit: 1000 });
    assert.equal(contextOf([row(1, 'user')]), undefined);
  });

  test('is not known after a summary, whose own call read all of it', () => {
    const summary = row(3, 'assistant', [], { usage: usage(800), compressed: true });
    const shown = row(4, 'tool', [], { compressed: true });
    assert.equal(contextOf([ANSWER, summary, shown, row(5, 'user')]), undefined);
    const next = row(6, 'assistant', [], { usage: usage(75) });
    assert.deepEqual(contextOf([ANSWER, summary, shown, next]), { used: 100, limit: 1000 });
  });

  test('is not known after a clearing', () => {
    assert.equal(contextOf([ANSWER, row(3, 'tool', [], { compressed: true })]), undefined);
  });
});
