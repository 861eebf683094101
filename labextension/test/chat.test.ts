import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';

import { ChatAPI } from '../src/client/chats.js';
import { ChatModel } from '../src/model/chat.js';
import { Chats } from '../src/model/chats.js';
import { PanelModel } from '../src/model/panel.js';
import { TestServer, until } from './wire.js';

const BASE = '/api/experimental/chats';
const CHAT = {
  id: 'a',
  root_chat_id: 'a',
  title: 'Dates',
  snapshot_version: 3,
  status: 'waiting',
  last_error: null,
  model: 'demo:demo',
  updated_at: '2026-11-21T07:30:00Z',
  archived: false,
  approval_mode: 'ask',
  pin_order: 0,
  has_unread: false
};

let server: TestServer;
let chats: Chats;
let model: ChatModel;
let send: (...events: readonly object[]) => void;

beforeEach(async () => {
  server = await TestServer.start();
  server.replies[`GET ${BASE}/a`] = CHAT;
  server.replies[`GET ${BASE}/a/children`] = [{ ...CHAT, id: 'b', parent_chat_id: 'a' }];
  server.replies[`GET ${BASE}?limit=100&archived=false`] = [CHAT];
  server.onConnection = socket => {
    send = (...events) => socket.send(JSON.stringify({ type: 'data', data: events }));
  };
  chats = new Chats(new ChatAPI(server.fetch), server.open);
  await until(() => chats.getState().isLoaded && server.paths.length === 1);
  model = new ChatModel('a', chats, server.open);
  await until(() => model.getState().connection === 'open' && chats.childrenOf('a').length === 1);
});

afterEach(async () => {
  model.dispose();
  model.dispose();
  chats.dispose();
  await server.stop();
});

function status(word: string): object {
  return { type: 'status', chat_id: 'a', status: { status: word } };
}

function message(id: number, role: string, text: string): object {
  const content = [{ type: 'text', text }];
  return {
    type: 'message',
    chat_id: 'a',
    message: { id, chat_id: 'a', role, content, created_at: '2026-11-21T07:30:00Z' }
  };
}

const EMPTY_QUEUE = { type: 'queue_update', chat_id: 'a', queued_messages: [] };

test('shows what comes, and asks for the usage when the chat is at rest', async () => {
  server.replies[`GET ${BASE}/a/usage`] = {
    total_cost_micros: null,
    total_input_tokens: 1,
    total_output_tokens: 2,
    total_cache_read_tokens: 0,
    total_cache_creation_tokens: 0
  };
  send(status('waiting'), message(1, 'user', 'Hi'), message(2, 'assistant', 'Hello'), EMPTY_QUEUE);
  await until(() => model.getState().usage !== undefined);

  const { view, entries, usage } = model.getState();
  assert.deepEqual([view.status, entries.length, usage?.outputTokens], ['waiting', 2, 2]);
});

test('a hundred pieces at once are few pictures', async () => {
  let pictures = 0;
  model.subscribe(() => {
    pictures += 1;
  });
  for (let seq = 1; seq <= 100; seq += 1) {
    const live = { role: 'assistant', part: { type: 'text', text: 'x' }, index: 0, seq };
    send({ type: 'message_part', chat_id: 'a', message_part: { ...live, history_version: 1, attempt: 1 } });
  }
  await until(() => model.getState().view.seq === 100);
  assert.ok(pictures < 20, `${pictures} pictures`);
});

function queued(id: number, text: string): object {
  return { id, content: [{ type: 'text', text }] };
}

/** As the server tells of it; and what is sent of its files again. */
const WITH_FILES = {
  id: 7,
  content: [
    { type: 'text', text: 'Compare.' },
    { type: 'file', media_type: 'image/png', file_id: 'f1', name: 'plot.png' },
    { type: 'file-reference', file_name: 'a.py', start_line: 3, end_line: 4, content: 'x = 1' }
  ]
};
const SENT_FILES = [
  { type: 'file', file_id: 'f1' },
  { type: 'file-reference', file_name: 'a.py', start_line: 3, end_line: 4, content: 'x = 1' }
];

/** What is taken back stands behind what the input had. */
function assertTakenBack(): void {
  const names = model.draft.getState().attachments.map(({ name }) => name);
  assert.deepEqual(names, ['plot.png', 'a.py:3-4']);
  assert.deepEqual(model.draft.content(), [{ type: 'text', text: 'begun\n\nCompare.' }, ...SENT_FILES]);
}

describe('a queued message comes back with its files', () => {
  beforeEach(() => model.draft.setText('begun'));

  test('when the chat is stopped', async () => {
    server.replies[`POST ${BASE}/a/interrupt`] = { dropped: [WITH_FILES] };
    assert.equal(await model.stop(), true);
    assertTakenBack();
  });

  test('when an earlier message is edited, or tried again', async () => {
    send(status('error'), message(4, 'user', 'Hi'), EMPTY_QUEUE);
    await until(() => model.getState().view.messages.length === 1);
    server.replies[`PATCH ${BASE}/a/messages/4`] = { dropped: [WITH_FILES] };
    assert.equal(await model.retry(), true);
    assert.deepEqual(server.requests.at(-1)?.body, { content: [{ type: 'text', text: 'Hi' }] });
    assertTakenBack();
  });

  test('when it is edited', async () => {
    send(status('running'), { type: 'queue_update', chat_id: 'a', queued_messages: [WITH_FILES] });
    await until(() => model.getState().view.queue.length === 1);
    const [waiting] = model.getState().view.queue;
    assert.ok(waiting);
    server.replies[`DELETE ${BASE}/a/queue/7`] = {};
    assert.equal(await model.editQueued(waiting), true);
    assertTakenBack();
  });
});

describe('stop', () => {
  test('puts what was queued behind what stands in the input', async () => {
    server.replies[`POST ${BASE}/a/interrupt`] = { dropped: [queued(5, 'first'), queued(6, 'second')] };
    model.draft.setText('begun');

    assert.equal(await model.stop(), true);
    assert.equal(model.draft.getState().text, 'begun\n\nfirst\n\nsecond');
    assert.deepEqual(server.requests.at(-1)?.body, { queue: 'drop' });
  });

  test('of a subagent shows it when something was queued for it, which stands in its input', async () => {
    const shown: string[] = [];
    const show = (chatId: string) => shown.push(chatId);
    server.replies[`POST ${BASE}/b/interrupt`] = { dropped: [] };
    assert.equal(await model.stopChild('b', show), true);
    assert.deepEqual(shown, []);

    server.replies[`POST ${BASE}/b/interrupt`] = { dropped: [queued(5, 'for the child')] };
    assert.equal(await model.stopChild('b', show), true);
    assert.deepEqual(shown, ['b']);
    assert.equal(model.draft.getState().text, '');
    const child = new ChatModel('b', chats, server.open);
    assert.equal(child.draft.getState().text, 'for the child');
    child.dispose();
  });

  test('in the list opens the chat when something was queued, which stands in its input', async () => {
    const panel = new PanelModel(chats.api, server.open, () => Promise.reject(new Error('No models.')));
    const [chat] = chats.getState().chats;
    assert.ok(chat);
    server.replies[`POST ${BASE}/a/interrupt`] = { dropped: [] };
    assert.equal(await panel.stop(chat), true);
    assert.equal(panel.getState().chat, undefined);

    server.replies[`POST ${BASE}/a/interrupt`] = { dropped: [queued(5, 'from the list')] };
    assert.equal(await panel.stop(chat), true);
    assert.equal(panel.getState().chat?.draft.getState().text, 'from the list');
    panel.close();
    panel.open('a');
    assert.equal(panel.getState().chat?.draft.getState().text, 'from the list');
    panel.dispose();
  });

  test('that fails says why', async () => {
    server.replies[`POST ${BASE}/a/interrupt`] = 503;
    assert.equal(await model.stop(), false);
    assert.match(model.getState().problem ?? '', /503/);
  });
});

test('allowing a tool for the chat allows what waits of it, and nothing else', async () => {
  const asked = (call_index: number, tool_name: string) => {
    return {
      kind: 'approval',
      message_id: 2,
      call_index,
      tool_call_id: `c${call_index}`,
      tool_name,
      args: {}
    };
  };
  const actions = [asked(0, 'execute'), asked(1, 'write_file'), asked(2, 'execute')];
  send(status('requires_action'), EMPTY_QUEUE, {
    type: 'action_required',
    chat_id: 'a',
    action_required: { actions }
  });
  await until(() => model.getState().view.actions.length === 3);
  server.replies[`POST ${BASE}/a/approvals`] = CHAT;

  const [action] = model.getState().view.actions;
  assert.ok(action);
  assert.equal(await model.allowTool(action), true);
  const done = server.requests.filter(({ asked }) => !asked.startsWith('GET')).map(({ body }) => body);
  const allowed = { message_id: 2, decision: 'allow', scope: 'chat' };
  assert.deepEqual(done, [
    { ...allowed, call_index: 0 },
    { ...allowed, call_index: 2 }
  ]);
});

test('a chat that is gone ends its stream in the words of the server', async () => {
  server.replies[`GET ${BASE}/a`] = 404;
  server.onConnection = undefined;
  await drop();
  await until(() => model.getState().failure !== undefined);
  assert.match(model.getState().failure?.message ?? '', /404/);
});

/** Ends all connections, as a server that is restarted. */
async function drop(): Promise<void> {
  const before = server.paths.length;
  server.cut();
  await until(() => model.getState().connection === 'lost' || server.paths.length > before);
}

test('after a drop it goes on after the last message', async () => {
  send(status('running'), message(7, 'user', 'Hi'), EMPTY_QUEUE);
  await until(() => model.getState().view.lastId === 7);
  server.cut();
  await until(() => server.paths.some(path => path.endsWith('/a/stream?after_id=7')));
});

describe('the list', () => {
  test('has no subagents, and pinned chats first', () => {
    const [one] = chats.getState().chats;
    assert.ok(one);
    chats.put({ ...one, id: 'new', updatedAt: '2027-01-01T00:00:00Z' }, { ...one, id: 'pin', pinOrder: 2 });
    assert.deepEqual(
      chats.getState().chats.map(({ id }) => id),
      ['pin', 'new', 'a']
    );
  });

  test('has a chat that is archived elsewhere', () => {
    const [one] = chats.getState().chats;
    assert.ok(one);
    chats.put({ ...one, archived: true });
    const { chats: listed, archived } = chats.getState();
    assert.deepEqual([listed, archived.map(({ id }) => id)], [[], ['a']]);
  });

  test('is not undone by a reply that comes late', () => {
    const [one] = chats.getState().chats;
    assert.ok(one);
    chats.put({ ...one, snapshotVersion: 5, status: 'error' });
    chats.put({ ...one, snapshotVersion: 4, status: 'running', commands: 'confined' });
    const { status, commands } = chats.find('a') ?? {};
    assert.deepEqual([status, commands], ['error', 'confined']);
  });

  test('keeps what one reply says of the commands', () => {
    const [one] = chats.getState().chats;
    assert.ok(one);
    chats.put({ ...one, commands: 'unconfined' });
    chats.put({ ...one, title: 'New', commands: undefined });
    const { title, commands } = chats.find('a') ?? {};
    assert.deepEqual([title, commands], ['New', 'unconfined']);
  });
});
