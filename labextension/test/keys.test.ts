import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';

import { lendKeys } from '../src/desktop/keys.js';

/** What of a browser's class is in use; Node has none. */
class Key extends Event {
  constructor(type: string, { code }: KeyboardEventInit) {
    super(type, { bubbles: true, cancelable: true });
    Object.assign(this, { code });
  }
  declare readonly code: string;
}

let node: EventTarget;
/** What the desktop was told, and when somebody left it. */
let got: string[];
let end: () => void;

beforeEach(() => {
  Object.defineProperty(globalThis, 'KeyboardEvent', { value: Key, configurable: true });
  node = new EventTarget();
  got = [];
  end = lendKeys(node as HTMLElement, () => {
    got.push('left');
    node.dispatchEvent(new Event('focusout'));
  });
  for (const type of ['keydown', 'keyup']) {
    node.addEventListener(type, event => got.push(`${type === 'keydown' ? '+' : '-'}${(event as Key).code}`));
  }
});

afterEach(() => {
  end();
  Reflect.deleteProperty(globalThis, 'KeyboardEvent');
});

/** Presses keys (`+KeyA`) and lets them go (`-KeyA`). */
function type(...keys: readonly string[]): void {
  got = [];
  for (const key of keys) {
    node.dispatchEvent(new Key(key.startsWith('+') ? 'keydown' : 'keyup', { code: key.slice(1) }));
  }
}

const CHORD = ['+ControlLeft', '+AltLeft', '+ShiftLeft'];

test('three keys lead out, and none of them stays down', () => {
  type(...CHORD, '-ShiftLeft');
  assert.deepEqual(got, [...CHORD, 'left', '-ControlLeft', '-AltLeft', '-ShiftLeft']);
});

test('in any order, of either hand, held as long as one likes', () => {
  type('+ShiftRight', '+ControlRight', '+AltLeft', '+AltLeft', '-ControlRight');
  assert.ok(got.includes('left'));
});

test('a combination of them with another key is the desktop’s', () => {
  type(...CHORD, '+KeyT', '-KeyT', '-ShiftLeft', '-AltLeft', '-ControlLeft');
  assert.equal(got.includes('left'), false);
  type('+KeyT', ...CHORD, '-ShiftLeft', '-AltLeft', '-ControlLeft', '-KeyT');
  assert.equal(got.includes('left'), false);
  type('+ControlLeft', '+AltLeft', '-AltLeft', '-ControlLeft');
  assert.equal(got.includes('left'), false);
});

test('what is down when the focus goes comes up, and leads nowhere', () => {
  type(...CHORD);
  node.dispatchEvent(new Event('focusout'));
  assert.deepEqual(got, [...CHORD, '-ControlLeft', '-AltLeft', '-ShiftLeft']);
});

test('once it has ended nothing is done', () => {
  end();
  type(...CHORD, '-ShiftLeft');
  assert.deepEqual(got, [...CHORD, '-ShiftLeft']);
});
