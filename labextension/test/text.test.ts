import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { diffLines, head, plainOutput, shortCost, shortCount, tail, withUnseen } from '../src/model/text.js';

describe('plainOutput', () => {
  const outputs: readonly [raw: string, plain: string][] = [
    ['\x1b[31mred\x1b[0m', 'red'],
    ['\x1b]0;title\x07text', 'text'],
    ['10%\r50%\r100%\ndone\n', '100%\ndone\n'],
    ['windows\r\nlines\r\n', 'windows\nlines\n']
  ];
  for (const [raw, plain] of outputs) {
    test(`of ${JSON.stringify(raw)}`, () => assert.equal(plainOutput(raw), plain));
  }
});

test('characters that turn text around or cannot be seen are spelled out', () => {
  assert.equal(withUnseen('rm \u202egpj.\u200b'), 'rm ⟨U+202E⟩gpj.⟨U+200B⟩');
});

test('a tail is the last lines and how many came before', () => {
  assert.deepEqual(tail('1\n2\n3\n', 2), { text: '2\n3', leftOut: 1 });
  assert.deepEqual(tail('1\n2', 2), { text: '1\n2', leftOut: 0 });
  assert.equal(tail('x'.repeat(30_000), 2).text.length, 20_000);
});

test('a head is the first characters, none of them halved', () => {
  assert.equal(head('abc', 3), 'abc');
  assert.equal(head('abcd', 3), 'abc');
  assert.equal(head('ab🙂', 3), 'ab');
});

describe('diffLines', () => {
  const inShort = (before: string, after: string) =>
    diffLines(before, after).map(({ sign, text }) => `${sign}${text}`);

  test('keeps what both begin and end with', () => {
    assert.deepEqual(inShort('a\nb\nc\n', 'a\nB\nc\n'), [' a', '-b', '+B', ' c']);
  });

  test('of lines that repeat counts none twice', () => {
    assert.deepEqual(inShort('a\na\n', 'a\na\na\n'), [' a', ' a', '+a']);
  });

  test('of a new file has only lines that come', () => {
    assert.deepEqual(inShort('', 'a\n\nb'), ['+a', '+', '+b']);
  });
});

test('counts and costs are short', () => {
  assert.deepEqual([0, 999, 1000, 12_345, 999_499, 999_500, 1_234_567].map(shortCount), [
    '0',
    '999',
    '1.0k',
    '12.3k',
    '999k',
    '1.0M',
    '1.2M'
  ]);
  assert.deepEqual([0, 12, 12_000, 1_234_567].map(shortCost), ['$0.00', '$0.00001', '$0.012', '$1.23']);
});
