import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import { CommConnection } from '../src/widgets/comm.js';
import type { KernelMessage, PageMessage } from '../src/widgets/contract.js';

/** A widget's model whose kernel is the test. */
class Kernel {
  readonly told: PageMessage[] = [];
  readonly buffers: (readonly (ArrayBuffer | ArrayBufferView)[])[] = [];

  get(): undefined {
    return undefined;
  }
  on(_: string, listener: (content: unknown, buffers: DataView[]) => void): void {
    this.listeners.add(listener);
  }
  off(_: string, listener: (...args: never[]) => void): void {
    this.listeners.delete(listener as never);
  }
  send(content: unknown, _?: unknown, buffers: (ArrayBuffer | ArrayBufferView)[] = []): void {
    this.told.push(content as PageMessage);
    this.buffers.push(buffers);
  }
  say(message: KernelMessage, ...data: string[]): void {
    const buffers = data.map(text => new DataView(new TextEncoder().encode(text).buffer as ArrayBuffer));
    for (const listener of [...this.listeners]) {
      listener(message, buffers);
    }
  }
  /** Returns the id of what the page asked for last, once it has. */
  async asked(): Promise<string> {
    while (this.told.length === 0) {
      await new Promise(resolve => setImmediate(resolve));
    }
    const last = this.told.at(-1);
    return last && 'id' in last ? last.id : '';
  }
  readonly listeners = new Set<(content: unknown, buffers: DataView[]) => void>();
}

let kernel: Kernel;
let connection: CommConnection;

beforeEach(() => {
  kernel = new Kernel();
  connection = new CommConnection(kernel);
});

const OK = {
  type: 'response',
  status: 200,
  reason: '',
  headers: { 'content-type': 'application/json' }
} as const;

test('a request and its answer carry method, path, type and body', async () => {
  const reply = connection.fetch('api/chats', { method: 'POST', body: '{"a":1}' });
  const id = await kernel.asked();
  assert.deepEqual(kernel.told[0], {
    type: 'request',
    id,
    method: 'POST',
    path: 'api/chats',
    headers: { 'content-type': 'text/plain;charset=UTF-8' }
  });
  assert.equal(new TextDecoder().decode(kernel.buffers[0]?.[0] as ArrayBuffer), '{"a":1}');
  kernel.say({ ...OK, id: 'of another page' }, '"no"');
  kernel.say({ ...OK, id }, '"yes"');
  assert.equal(await (await reply).json(), 'yes');
});

test('an answer without a body, and a refusal, are answers', async () => {
  const empty = connection.fetch('a');
  kernel.say({ ...OK, id: await kernel.asked(), status: 204 }, '');
  assert.equal((await empty).status, 204);
  kernel.told.length = 0;
  const refused = connection.fetch('b');
  kernel.say({ ...OK, id: await kernel.asked(), status: 409 }, '{"message":"no"}');
  assert.equal((await refused).status, 409);
});

test('a server that does not answer fails a request as fetch does', async () => {
  const reply = connection.fetch('a');
  kernel.say({ ...OK, id: await kernel.asked(), status: 0, reason: 'It does not answer.' });
  await assert.rejects(reply, new TypeError('It does not answer.'));
});

test('a socket opens, carries text and bytes both ways, and is closed by the server', async () => {
  const events: unknown[] = [];
  const socket = connection.openSocket('stream');
  const id = await kernel.asked();
  socket.onopen = () => events.push('open');
  socket.onmessage = ({ data }) => events.push(typeof data === 'string' ? data : [...new Uint8Array(data)]);
  socket.onclose = ({ code, reason }) => events.push([code, reason]);
  socket.send('too early');
  kernel.say({ type: 'opened', id });
  kernel.say({ type: 'frame', id, text: 'words' });
  kernel.say({ type: 'frame', id }, 'AB');
  socket.send('words back');
  socket.send(new Uint8Array([1, 2]));
  kernel.say({ type: 'closed', id, code: 1001, reason: 'gone' });
  kernel.say({ type: 'frame', id, text: 'too late' });
  assert.deepEqual(events, ['open', 'words', [65, 66], [1001, 'gone']]);
  assert.deepEqual(kernel.told, [
    { type: 'open', id, path: 'stream' },
    { type: 'taken', id, bytes: 2 },
    { type: 'send', id, text: 'words back' },
    { type: 'send', id }
  ]);
});

test('a connection that is disposed, twice, closes its sockets and fails its requests', async () => {
  const reply = connection.fetch('a');
  await kernel.asked();
  const socket = connection.openSocket('stream');
  const id = await kernel.asked();
  connection.dispose();
  connection.dispose();
  await assert.rejects(reply, TypeError);
  assert.equal(socket.readyState, 3);
  assert.deepEqual(kernel.told.at(-1), { type: 'close', id });
  assert.equal(kernel.listeners.size, 0);
});
