import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { IChat } from '../src/client/values.js';
import { apply, EMPTY_VIEW } from '../src/client/view.js';
import { openPlanOf } from '../src/model/plan.js';
import { Transcript } from '../src/model/transcript.js';
import { call, message, queue, result, status, text } from './build.js';

const PLANNED = { planMode: true } as IChat;
const PROPOSED = [
  message(1),
  message(2, 'assistant', call('p', { toolName: 'propose_plan' })),
  message(3, 'tool', result('p', { toolName: 'propose_plan', result: { file_id: 'f' } })),
  message(4, 'assistant', text('What do you think?'))
];

function planOf(events: Parameters<typeof apply>[1], chat: IChat): string | undefined {
  const view = apply(EMPTY_VIEW, [...events, queue()]);
  return openPlanOf({ view, entries: new Transcript().entriesOf(view) }, chat)?.entry.call.callId;
}

test('a plan is open in plan mode while the chat is at rest and nobody has said anything to it', () => {
  const events = [...PROPOSED, status('waiting')];
  assert.equal(planOf(events, PLANNED), 'p');
  assert.equal(planOf(events, { ...PLANNED, planMode: false }), undefined);
  assert.equal(planOf([...PROPOSED, status('running')], PLANNED), undefined);
  assert.equal(planOf([...events, message(5, 'user', text('Shorter.'))], PLANNED), undefined);
});

test('what is no plan, or was refused, is not open', () => {
  const refused = message(3, 'tool', result('p', { toolName: 'propose_plan', result: { error: 'Empty.' } }));
  assert.equal(planOf([...PROPOSED.slice(0, 2), refused, status('waiting')], PLANNED), undefined);
  const read = message(2, 'assistant', call('r', { toolName: 'read_file' }));
  const done = message(3, 'tool', result('r', { toolName: 'read_file', result: { file_id: 'f' } }));
  assert.equal(planOf([read, done, status('waiting')], PLANNED), undefined);
});
