import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { StreamEvent } from '../src/client/events.js';
import { apply, EMPTY_VIEW } from '../src/client/view.js';
import { type Entry, Transcript } from '../src/model/transcript.js';
import { action, call, message, piece, queue, result, row, status, text } from './build.js';

function entriesOf(...events: readonly StreamEvent[]): readonly Entry[] {
  return new Transcript().entriesOf(apply(EMPTY_VIEW, events));
}

/** What is said and done, in short. */
function brief(entries: readonly Entry[]): string[] {
  return entries.map(entry => {
    switch (entry.kind) {
      case 'tool':
        return `${entry.call.callId}: ${entry.state}`;
      case 'text':
        return entry.text;
      case 'note':
        return entry.note;
      default:
        return entry.kind;
    }
  });
}

const CALLS = message(2, 'assistant', text('I will.'), call('a', { args: {} }), call('b', { args: {} }));

describe('a call', () => {
  test('is one entry with its result', () => {
    const done = result('a', { result: { success: true } });
    const failed = result('b', { result: { success: false, exit_code: 1 } });
    const entries = entriesOf(
      status('waiting'),
      message(1),
      CALLS,
      message(3, 'tool', done),
      message(4, 'tool', failed)
    );
    assert.deepEqual(brief(entries), ['user', 'I will.', 'a: done', 'b: failed']);
    const tool = entries[2];
    assert.ok(tool?.kind === 'tool');
    assert.deepEqual([tool.result, tool.callKey], [done, { messageId: 2, callIndex: 1 }]);
  });

  test('shows output while it runs, and its result before it is stored', () => {
    const entries = entriesOf(
      status('running'),
      CALLS,
      piece(result('a', { output: 'one' }), 1, { role: 'tool' }),
      piece(result('b', { result: 'ok' }), 2, { role: 'tool', index: 1 })
    );
    assert.deepEqual(brief(entries), ['I will.', 'a: running', 'b: done']);
    assert.ok(entries[1]?.kind === 'tool');
    assert.equal(entries[1].result?.output, 'one');
  });

  test('asks while the chat waits for somebody', () => {
    const actions = [action({ messageId: 2, callIndex: 2, callId: 'b' })];
    const entries = entriesOf(status('requires_action'), CALLS, { type: 'action_required', actions });
    assert.deepEqual(brief(entries), ['I will.', 'a: running', 'b: asking']);
  });

  test('without a result has ended when nothing runs any more', () => {
    assert.deepEqual(brief(entriesOf(status('waiting'), CALLS)), ['I will.', 'a: ended', 'b: ended']);
  });

  test('of an earlier turn does not run when a later one does', () => {
    const entries = entriesOf(status('running'), CALLS, message(5), piece(text('Well'), 1));
    assert.deepEqual(brief(entries), ['I will.', 'a: ended', 'b: ended', 'user', 'Well']);
  });

  test('is told apart from one with the same id', () => {
    const twice = call('x', { args: {} });
    const entries = entriesOf(
      status('waiting'),
      message(1, 'assistant', twice),
      message(2, 'tool', result('x', { result: 1 })),
      message(3, 'assistant', twice, twice),
      message(4, 'tool', result('x', { result: 2 })),
      message(5, 'tool', result('x', { result: 3 }))
    );
    assert.deepEqual(
      entries.map(entry => entry.kind === 'tool' && entry.result?.result),
      [1, 2, 3]
    );
  });

  test('is being written until its arguments are whole', () => {
    const writing = piece(call('a', { argsText: '{"comm' }), 1);
    assert.deepEqual(brief(entriesOf(status('running'), writing)), ['a: writing']);
    const whole = piece(call('a', { args: { command: 'ls' } }), 2);
    assert.deepEqual(brief(entriesOf(status('running'), writing, whole)), ['a: running']);
  });
});

test('an answer keeps its key when it is stored', () => {
  const streamed = entriesOf(status('running'), message(1), piece(text('Hello'), 1));
  const stored = entriesOf(status('waiting'), message(1), message(2, 'assistant', text('Hello')));
  assert.equal(streamed.at(-1)?.key, stored.at(-1)?.key);
});

test('what is stored stays the same object while an answer is streamed', () => {
  const transcript = new Transcript();
  const view = apply(EMPTY_VIEW, [status('running'), message(1), CALLS, message(3, 'tool', result('a'))]);
  const before = transcript.entriesOf(view);
  const after = transcript.entriesOf(apply(view, [message(4), piece(text('Hel'), 1)]));
  const place = (index: number) => before[index] === after[index];
  assert.deepEqual([place(0), place(1)], [true, true]);
});

test('a note says why an answer ended', () => {
  const cut = row(2, 'assistant', [text('Well')], { stopReason: 'interrupted' });
  assert.deepEqual(brief(entriesOf({ type: 'message', message: cut }, queue())), ['Well', 'interrupted']);
});

test('one note each says that the history was summarised, and how, and that it was cleared', () => {
  const compressed = true;
  const told = ['chat_summarized', 'chat_cleared'].flatMap((toolName, index): StreamEvent[] => {
    const called = row(3 + 2 * index, 'assistant', [call(toolName, { toolName })], { compressed });
    const given = index === 0 ? { summary: 'So far: nothing.' } : {};
    const done = row(4 + 2 * index, 'tool', [result(toolName, { toolName, result: given })], { compressed });
    return [
      { type: 'message', message: called },
      { type: 'message', message: done }
    ];
  });
  const notes = entriesOf(...told, queue()).map(entry => entry.kind === 'note' && [entry.note, entry.text]);
  assert.deepEqual(notes, [
    ['summarised', 'So far: nothing.'],
    ['cleared', '']
  ]);
});

test('parts that say nothing to people are left out', () => {
  const context = { type: 'other', word: 'context-file', name: 'AGENTS.md' } as const;
  assert.deepEqual(entriesOf(message(1, 'system'), message(2, 'assistant', text(' '), context)), []);
});
