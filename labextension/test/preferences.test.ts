import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Preferences, USUAL, wishOf } from '../src/model/preferences.js';

const ENTER = { key: 'Enter', shiftKey: false, ctrlKey: false, metaKey: false };

test('settings that are missing or wrong are as usual', () => {
  const preferences = new Preferences();
  preferences.take({ defaultModel: 3, sendKey: 'Tab', fontSize: 'large' });
  assert.deepEqual(preferences.getState(), USUAL);
});

test('who looks is told of a change', () => {
  const preferences = new Preferences();
  let changes = 0;
  preferences.subscribe(() => {
    changes += 1;
  });
  preferences.take({ approvals: 'auto', fontSize: 16, notifications: false, defaultModel: ' demo:demo ' });
  assert.equal(changes, 1);
  assert.deepEqual(preferences.getState(), {
    defaultModel: 'demo:demo',
    asks: false,
    sendKey: 'Enter',
    notifies: false,
    fontSize: 16
  });
});

test('keys with Enter as the one that sends', () => {
  assert.equal(wishOf(ENTER, 'Enter'), 'send');
  assert.equal(wishOf({ ...ENTER, shiftKey: true }, 'Enter'), undefined);
  assert.equal(wishOf({ ...ENTER, ctrlKey: true }, 'Enter'), 'interrupt');
  assert.equal(wishOf({ ...ENTER, key: 'a', ctrlKey: true }, 'Enter'), undefined);
});

test('keys with Ctrl+Enter as the one that sends', () => {
  assert.equal(wishOf(ENTER, 'Ctrl+Enter'), undefined);
  assert.equal(wishOf({ ...ENTER, metaKey: true }, 'Ctrl+Enter'), 'send');
  assert.equal(wishOf({ ...ENTER, ctrlKey: true, shiftKey: true }, 'Ctrl+Enter'), 'interrupt');
});
