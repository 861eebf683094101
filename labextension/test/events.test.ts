import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { MalformedReplyError } from '../src/client/decode.js';
import { decodeStreamFrame, decodeWatchFrame, StreamEndedError } from '../src/client/events.js';
import { call, result, text } from './build.js';

function frame(...events: readonly object[]): string {
  return JSON.stringify({ type: 'data', data: events.map(event => ({ chat_id: 'a', ...event })) });
}

describe('a frame of the stream', () => {
  test('that is a ping says nothing', () => {
    assert.deepEqual(decodeStreamFrame('{"type": "ping"}'), []);
  });

  test('that is an error ends the stream in the words of the server', () => {
    const ended = '{"type": "error", "data": {"message": "The chat is gone."}}';
    assert.throws(() => decodeStreamFrame(ended), new StreamEndedError('The chat is gone.'));
  });

  test('has events, and those of a newer server are left out', () => {
    const text = frame(
      { type: 'status', status: { status: 'running' } },
      { type: 'moon_phase', moon_phase: 'full' },
      { type: 'history_reset' },
      { type: 'preview_reset', preview_reset: { history_version: 5, attempt: 2 } }
    );
    assert.deepEqual(decodeStreamFrame(text), [
      { type: 'status', status: 'running' },
      { type: 'history_reset' },
      { type: 'preview_reset', episode: { historyVersion: 5, attempt: 2 } }
    ]);
  });

  const parts: readonly [wire: object, part: object][] = [
    [{ type: 'text', text: 'Hi' }, text('Hi')],
    [{ type: 'text' }, text('')],
    [
      { type: 'tool-call', tool_call_id: 'c', tool_name: 'execute', args_delta: '{"a' },
      call('c', { argsText: '{"a' })
    ],
    [
      {
        type: 'tool-result',
        tool_call_id: 'c',
        tool_name: 'execute',
        result: { error: 'no' },
        is_error: true
      },
      result('c', { result: { error: 'no' }, isError: true })
    ],
    [
      { type: 'skill', skill_name: 'plots' },
      { type: 'other', word: 'skill', name: 'plots' }
    ],
    [{ type: 'hologram' }, { type: 'other', word: 'hologram', name: undefined }]
  ];
  for (const [wire, part] of parts) {
    test(`with the live part ${JSON.stringify(wire)}`, () => {
      const live = { role: 'assistant', part: wire, index: 1, history_version: 5, attempt: 2, seq: 7 };
      assert.deepEqual(decodeStreamFrame(frame({ type: 'message_part', message_part: live })), [
        {
          type: 'message_part',
          live: { role: 'assistant', part, index: 1, historyVersion: 5, attempt: 2, seq: 7 }
        }
      ]);
    });
  }

  const malformed: readonly [frame: string, at: string][] = [
    ['<html>', 'the frame'],
    ['[]', 'the frame'],
    ['{"type": "data"}', 'data'],
    [frame({ type: 'status', status: { status: 'sleepy' } }), 'data[0].status.status'],
    [frame({ type: 'message', message: { id: '7' } }), 'data[0].message.id'],
    [frame({ type: 'queue_update' }), 'data[0].queued_messages']
  ];
  for (const [text, at] of malformed) {
    test(`names the place of what is wrong: ${at} of ${text}`, () => {
      assert.throws(
        () => decodeStreamFrame(text),
        (error: unknown) => error instanceof MalformedReplyError && error.at === at
      );
    });
  }
});

test('a frame of the list tells what happened to which chat', () => {
  const chat = {
    id: 'a',
    owner_id: 'me',
    root_chat_id: 'a',
    title: 'Dates',
    status: 'waiting',
    last_error: null,
    model: 'demo:demo',
    plan_mode: 'plan',
    snapshot_version: 3,
    updated_at: '2026-11-21T07:30:00Z',
    archived: false,
    approval_mode: 'ask',
    pin_order: 0,
    has_unread: true
  };
  const change = decodeWatchFrame(JSON.stringify({ type: 'data', data: { kind: 'title_change', chat } }));
  assert.deepEqual(change, {
    kind: 'title_change',
    chat: {
      id: 'a',
      rootChatId: 'a',
      parentChatId: undefined,
      title: 'Dates',
      status: 'waiting',
      lastError: undefined,
      model: 'demo:demo',
      planMode: true,
      asks: true,
      commands: undefined,
      snapshotVersion: 3,
      updatedAt: '2026-11-21T07:30:00Z',
      archived: false,
      pinOrder: 0,
      hasUnread: true
    }
  });
  assert.equal(decodeWatchFrame('{"type": "ping"}'), undefined);
});
