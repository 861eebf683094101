import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';

import { FIRST_DELAY, LONGEST_DELAY } from '../src/client/backoff.js';
import { type IFollowOptions, ResumableSocket, SILENCE } from '../src/client/socket.js';
import { Clock } from './clock.js';
import { TestServer, until } from './wire.js';

let server: TestServer;
let sockets: ResumableSocket[] = [];

beforeEach(async () => {
  server = await TestServer.start();
});

afterEach(async () => {
  for (const socket of sockets) {
    socket.dispose();
  }
  sockets = [];
  await server.stop();
});

function follow(options: Partial<IFollowOptions> = {}): ResumableSocket {
  const socket = new ResumableSocket({
    open: server.open,
    path: () => 'stream',
    received: () => {},
    failed: error => {
      throw error;
    },
    ...options
  });
  sockets.push(socket);
  return socket;
}

test('comes back with the cursor of the moment when the connection drops', async () => {
  let cursor = 0;
  server.onConnection = (socket, count) => {
    socket.send(String(count));
    socket.close(1013);
  };
  follow({
    path: () => `stream?after_id=${cursor}`,
    received: text => {
      cursor = Number(text);
    },
    random: () => 0
  });
  await until(() => server.paths.length === 3);
  assert.deepEqual(server.paths, ['/stream?after_id=0', '/stream?after_id=1', '/stream?after_id=2']);
});

test('waits longer each time while the server is gone', async () => {
  await server.stop();
  const clock = new Clock();
  const delays: number[] = [];
  let opened = 0;
  follow({
    timers: clock,
    random: () => 1,
    open: path => {
      opened += 1;
      return server.open(path);
    },
    dropped: delay => delays.push(delay)
  });
  for (let tries = 1; tries <= 8; tries += 1) {
    await until(() => delays.length === tries);
    clock.advance();
    await until(() => opened === tries + 1);
  }
  assert.deepEqual(delays.slice(0, 3), [FIRST_DELAY, FIRST_DELAY * 2, FIRST_DELAY * 4]);
  assert.equal(delays.at(-1), LONGEST_DELAY);
});

test('a connection on which nothing comes is dead', async () => {
  const clock = new Clock();
  follow({ timers: clock });
  await until(() => server.paths.length === 1);
  assert.deepEqual(clock.delays, [SILENCE]);
  clock.advance(); // the silence
  clock.advance(); // the wait before the next try
  await until(() => server.paths.length === 2);
});

test('what cannot be understood ends the stream', async () => {
  const failures: Error[] = [];
  server.onConnection = socket => socket.send('?');
  const socket = follow({
    received: () => {
      throw new Error('no stream of ours');
    },
    failed: error => failures.push(error)
  });
  await until(() => failures.length > 0);
  assert.deepEqual([failures[0]?.message, socket.isDisposed], ['no stream of ours', true]);
});

test('a check that fails ends the stream instead of trying again', async () => {
  const failures: Error[] = [];
  server.onConnection = socket => socket.close();
  follow({ check: () => Promise.reject(new Error('gone')), failed: error => failures.push(error) });
  await until(() => failures.length > 0);
  assert.deepEqual([failures[0]?.message, server.paths.length], ['gone', 1]);
});

test('is disposed twice, and then tries nothing more', async () => {
  const clock = new Clock();
  const socket = follow({ timers: clock });
  await until(() => server.paths.length === 1);
  socket.dispose();
  socket.dispose();
  socket.retryNow();
  assert.deepEqual([socket.isDisposed, clock.due.size], [true, 0]);
});

test('tries at once when told that the network is back', async () => {
  const clock = new Clock();
  let dropped = false;
  server.onConnection = (socket, count) => count === 1 && socket.close();
  const socket = follow({
    timers: clock,
    dropped: () => {
      dropped = true;
    }
  });
  await until(() => dropped);
  socket.retryNow();
  await until(() => server.paths.length === 2);
});
