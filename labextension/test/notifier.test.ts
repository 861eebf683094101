import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';

import type { ChatStatus, IChat } from '../src/client/values.js';
import type { IChatsState } from '../src/model/chats.js';
import { notifyOf } from '../src/panel/notifier.js';

const LONG = 60_000; // ms, more than a chat waits before that is told

/** What stands on the page. */
let told: Map<string, string>;
let chats: IChat[];
let changed: () => void;
/** The chats that somebody looks at. */
let seen: string[];
let end: () => void;

beforeEach(() => {
  mock.timers.enable({ apis: ['setTimeout'] });
  told = new Map();
  chats = [];
  seen = [];
  end = notifyOf({
    chats: {
      getState: () => ({ chats }) as unknown as IChatsState,
      subscribe: listener => {
        changed = listener;
        return () => undefined;
      }
    },
    notifications: {
      emit: news => {
        told.set(news, news);
        return news;
      },
      dismiss: id => told.delete(id as string)
    },
    isWanted: () => true,
    isSeen: chatId => seen.includes(chatId),
    open: () => undefined
  });
});

afterEach(() => {
  end();
  mock.timers.reset();
});

function list(...statuses: ChatStatus[]): void {
  chats = statuses.map((status, place) => ({ id: `${place}`, title: `Chat ${place}`, status }) as IChat);
  changed();
}

test('that a chat waits is told after a while, and taken back when it goes on', () => {
  list('running');
  list('requires_action');
  assert.equal(told.size, 0);
  mock.timers.tick(LONG);
  assert.deepEqual([...told.values()], ['The agent waits for you: Chat 0']);
  list('running');
  assert.equal(told.size, 0);
});

test('a chat that leaves the list while it waits takes that along, and no other', () => {
  list('running', 'running');
  list('requires_action', 'requires_action');
  mock.timers.tick(LONG);
  list('requires_action');
  assert.deepEqual([...told.values()], ['The agent waits for you: Chat 0']);
});

test('a chat that has left the list is not told of later', () => {
  list('running');
  list('requires_action');
  list();
  mock.timers.tick(LONG);
  assert.equal(told.size, 0);
});

test('of two chats that end the one is told that nobody sees', () => {
  seen = ['0'];
  list('running', 'running');
  list('waiting', 'waiting');
  assert.deepEqual([...told.values()], ['The agent is done: Chat 1']);
});
