import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { StreamEvent } from '../src/client/events.js';
import { apply, cursorOf, EMPTY_VIEW, type IChatView, isSettled, reconnected } from '../src/client/view.js';
import { action, call, message, piece, queue, reset, result, status, text } from './build.js';

function after(...events: readonly StreamEvent[]): IChatView {
  return apply(EMPTY_VIEW, events);
}

function liveParts(view: IChatView): unknown[] {
  return view.live.map(block => block.part);
}

test('the messages of a snapshot are all there when its queue comes', () => {
  const begun = after(status('waiting'), message(1));
  assert.equal(begun.isComplete, false);

  const view = apply(begun, [message(4, 'assistant'), queue()]);
  assert.ok(view.isComplete && isSettled(view.status));
  assert.deepEqual([view.messages.map(({ id }) => id), view.lastId], [[1, 4], 4]);
});

test('a message that comes again changes nothing', () => {
  const view = after(message(1), message(2), piece(text('begun'), 1));
  assert.deepEqual(apply(view, [message(2, 'assistant', text('other'))]), view);
});

test('deltas of a block add up and a whole part replaces them', () => {
  const view = after(
    piece(text('Let'), 1),
    piece(text(' me'), 2),
    piece(call('c', { argsText: '{"comm' }), 3, { index: 1 }),
    piece(call('c', { argsText: 'and":' }), 4, { index: 1 })
  );
  assert.deepEqual(liveParts(view), [text('Let me'), call('c', { argsText: '{"command":' })]);

  const whole = call('c', { args: { command: 'ls' } });
  assert.deepEqual(liveParts(apply(view, [piece(whole, 5, { index: 1 })])), [text('Let me'), whole]);
});

test('output of a running tool adds up until its result comes', () => {
  const tool = { role: 'tool' } as const;
  const view = after(
    piece(result('c', { output: 'one\n' }), 1, tool),
    piece(result('c', { output: 'two\n' }), 2, tool)
  );
  assert.deepEqual(liveParts(view), [result('c', { output: 'one\ntwo\n' })]);

  const whole = result('c', { result: { exit_code: 0 } });
  assert.deepEqual(liveParts(apply(view, [piece(whole, 3, tool)])), [whole]);
});

test('parts that came before are passed over', () => {
  const view = after(piece(text('a'), 1), piece(text('b'), 2));
  assert.deepEqual(apply(view, [piece(text('a'), 1), piece(text('b'), 2)]), view);
});

const endings: Readonly<Record<string, StreamEvent>> = {
  'a new attempt': reset(2),
  'a part of another attempt': piece(text('other'), 1, { attempt: 2 }),
  'a history reset': { type: 'history_reset' },
  'the end of the turn': status('waiting')
};
for (const [name, event] of Object.entries(endings)) {
  test(`${name} clears the preview`, () => {
    const view = after(status('running'), piece(text('lost'), 3), event);
    assert.ok(!JSON.stringify(view.live).includes('lost'));
  });
}

for (const role of ['assistant', 'tool'] as const) {
  test(`a stored row of the ${role} takes the place of the preview`, () => {
    const view = after(status('running'), message(1), piece(text('an ans'), 3), message(2, role));
    assert.deepEqual([view.live, view.episode, cursorOf(view)], [[], undefined, 'after_id=2']);
  });
}

test('a user message leaves the preview alone', () => {
  const view = after(status('running'), piece(text('an ans'), 3), message(1));
  assert.deepEqual(liveParts(view), [text('an ans')]);
});

test('the cursor names the place inside an answer', () => {
  const view = after(status('running'), message(7), reset(2), piece(text('half'), 9, { attempt: 2 }));
  assert.equal(cursorOf(view), 'after_id=7&episode=5.2.9');
});

test('to a settled chat a reset says that the episode is over', () => {
  assert.equal(cursorOf(after(status('waiting'), message(7), queue(), reset(1))), 'after_id=7');
});

test('a history reset starts over and keeps what is not history', () => {
  const view = after(status('running'), message(1), message(9), queue(3), { type: 'history_reset' });
  assert.deepEqual([view.messages, view.lastId, view.queue.length], [[], 0, 1]);
  assert.deepEqual(
    apply(view, [message(1), message(10)]).messages.map(({ id }) => id),
    [1, 10]
  );
});

test('a history reset in the frame of the messages that it voids', () => {
  const view = after(message(1), message(2), { type: 'history_reset' }, message(1));
  assert.deepEqual(
    view.messages.map(({ id }) => id),
    [1]
  );
});

test('an error lasts as long as its status', () => {
  const error = { message: 'No key.', kind: 'config', retryable: false, detail: undefined };
  const view = after({ type: 'error', error }, status('error'));
  assert.equal(view.error, error);
  assert.equal(apply(view, [message(3), status('running')]).error, undefined);
});

test('actions last as long as their status', () => {
  const view = after({ type: 'action_required', actions: [action()] }, status('requires_action'));
  assert.deepEqual(view.actions, [action()]);
  assert.deepEqual(apply(view, [status('running')]).actions, []);
});

test('a retry is over when the next attempt begins', () => {
  const retry = { attempt: 1, error: 'Overloaded.', retryingAt: '2026-11-21T07:30:00Z' };
  const view = after(status('running'), { type: 'retry', retry });
  assert.equal(view.retry, retry);
  assert.equal(apply(view, [reset(2)]).retry, undefined);
});

test('a new connection keeps only what cannot have changed', () => {
  const actions: StreamEvent = { type: 'action_required', actions: [action()] };
  const view = after(status('requires_action'), message(1), queue(), actions);
  assert.deepEqual(reconnected(view), { ...view, isComplete: false, actions: [] });
  assert.equal(cursorOf(reconnected(view)), cursorOf(view));
});

test('how subagents stand stays known until more is told', () => {
  const child = { id: 'b', title: 'Count', status: 'running', lastError: undefined } as const;
  const usage = {
    costMicros: undefined,
    inputTokens: 1,
    outputTokens: 2,
    cacheReadTokens: 0,
    cacheCreationTokens: 0
  };
  const view = after(status('running'), { type: 'children', children: [child], usage }, status('waiting'));
  assert.deepEqual([view.children, view.familyUsage], [[child], usage]);
});
