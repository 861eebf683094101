import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';

import { ChatAPI } from '../src/client/chats.js';
import { Draft, isLongPaste } from '../src/model/draft.js';
import { TestServer } from './wire.js';

const FILES = 'POST /api/experimental/chats/files';

let server: TestServer;
let draft: Draft;

beforeEach(async () => {
  server = await TestServer.start();
  server.replies[FILES] = { id: 'f' };
  draft = new Draft(new ChatAPI(server.fetch));
});

afterEach(() => server.stop());

test('sends its text and its files, and is empty then', async () => {
  draft.setText('Look.');
  await draft.attach(new Blob(['{"a": 1}']), 'a.json');
  const content = [
    { type: 'text', text: 'Look.' },
    { type: 'file', file_id: 'f' }
  ];
  const sent: unknown[] = [];
  assert.equal(await draft.hand(async given => sent.push(given) > 0), true);
  assert.deepEqual([sent, draft.content()], [[content], []]);
});

test('is whole again when it could not be sent, with what was written meanwhile', async () => {
  draft.setText('Look.');
  await draft.attach(new Blob(['x']), 'x.txt');
  const failing = async () => {
    draft.setText('And then');
    return false;
  };
  assert.equal(await draft.hand(failing), false);
  assert.equal(draft.getState().text, 'Look.\n\nAnd then');
  assert.deepEqual(
    draft.getState().attachments.map(({ name }) => name),
    ['x.txt']
  );
});

test('a file that is refused says why, and nothing is sent with it', async () => {
  server.replies[FILES] = 413;
  draft.setText('Look.');
  await draft.attach(new Blob(['x']), 'x.bin');
  const [refused] = draft.getState().attachments;
  assert.match(refused?.problem ?? '', /413/);
  assert.equal(draft.isReady, false);
  draft.remove(refused?.key ?? 0);
  assert.equal(draft.isReady, true);
});

test('a long paste becomes a file with the name by which the server knows it', async () => {
  await draft.attachPaste('long', new Date('2026-11-21T07:30:00Z'));
  assert.equal(draft.getState().attachments[0]?.name, 'pasted-text-2026-11-21-07-30-00.txt');
  assert.deepEqual([isLongPaste('short'), isLongPaste('x'.repeat(9000))], [false, true]);
});
