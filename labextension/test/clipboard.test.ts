import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { afterEach, beforeEach, mock, test } from 'node:test';

import { shareClipboard } from '../src/desktop/clipboard.js';
import type { DesktopModel } from '../src/desktop/model.js';
import { carriesText } from '../src/desktop/screen.js';

/** What of a browser's class is in use; Node has none. */
class Key extends Event {
  constructor(type: string, { code, ctrlKey = false, shiftKey = false, repeat = false }: KeyboardEventInit) {
    super(type, { bubbles: true, cancelable: true });
    Object.assign(this, { code, ctrlKey, shiftKey, repeat, altKey: false });
  }
  declare readonly code: string;
  getModifierState(): boolean {
    return false;
  }
}

let node: EventTarget;
let page: EventTarget & { isSecureContext: boolean };
/** What the desktop got, in order. */
let got: string[];
/** Answers the page's question for what was copied. */
let answer: (text: string) => void;
/** Says that a program of the desktop has fetched the text. */
let fetched: () => void;
let clipboard: string;
let changed: () => void;
let written: string[];
let end: () => void;

beforeEach(() => {
  node = new EventTarget();
  page = Object.assign(new EventTarget(), { isSecureContext: true });
  [got, written, clipboard] = [[], [], ''];
  const reading = {
    readText: () => new Promise<string>(resolve => (answer = resolve)),
    writeText: async (text: string) => void written.push(text)
  };
  const globals = { window: page, navigator: { clipboard: reading }, KeyboardEvent: Key };
  for (const [name, value] of Object.entries(globals)) {
    Object.defineProperty(globalThis, name, { value, configurable: true });
  }
  const screen = {
    press: (_: number, code: string, isDown: boolean) => got.push(`${isDown ? '+' : '-'}${code}`)
  };
  const model = {
    getState: () => ({ hasControl: true, screen, clipboard }),
    subscribe: (listener: () => void) => {
      changed = listener;
      return () => undefined;
    },
    copy: (text: string) => {
      got.push(text);
      return new Promise<void>(resolve => (fetched = resolve));
    }
  };
  end = shareClipboard(node as HTMLElement, model as unknown as DesktopModel);
  // As noVNC does, which sits further in: what is stopped on its way does not come there.
  const reach = (event: Event): void => {
    if (!event.defaultPrevented) {
      got.push(`${event.type} ${(event as Key).code}`);
    }
  };
  node.addEventListener('keydown', reach);
  node.addEventListener('keyup', reach);
});

afterEach(() => {
  end();
  for (const name of ['window', 'navigator', 'KeyboardEvent']) {
    Reflect.deleteProperty(globalThis, name);
  }
});

function key(type: 'keydown' | 'keyup', code: string, init: KeyboardEventInit = {}): void {
  node.dispatchEvent(new Key(type, { code, ...init }));
}

/** Presses Ctrl and V, which nobody lets go yet. */
function startPaste(): void {
  key('keydown', 'ControlLeft', { ctrlKey: true });
  key('keydown', 'KeyV', { ctrlKey: true });
  assert.equal(got.shift(), 'keydown ControlLeft');
}

/** Lets what has been settled go on. */
const pause = (): Promise<void> => new Promise(resolve => setTimeout(resolve, 1));

test('keys that come while something is pasted come after it', async () => {
  startPaste();
  key('keyup', 'ControlLeft');
  key('keydown', 'Enter');
  answer('text');
  await pause();
  assert.deepEqual(got, ['text', '+KeyV', '-KeyV']);
  fetched();
  await pause();
  assert.deepEqual(got.slice(3), ['keyup ControlLeft', 'keydown Enter']);
});

test('a second paste waits for the first, and what follows for both', async () => {
  key('keydown', 'ShiftRight', { shiftKey: true });
  key('keydown', 'Insert', { shiftKey: true });
  key('keyup', 'Insert', { shiftKey: true });
  key('keydown', 'Insert', { shiftKey: true });
  key('keydown', 'KeyA');
  for (const text of ['one', 'two']) {
    answer(text);
    await pause();
    fetched();
    await pause();
  }
  const first = ['keydown ShiftRight', 'one', '+Insert', '-Insert', 'keyup Insert'];
  assert.deepEqual(got, [...first, 'two', '+Insert', '-Insert', 'keydown KeyA']);
});

test('what nobody pastes holds no key for long', async () => {
  startPaste();
  key('keydown', 'Enter');
  answer('text');
  while (!got.includes('keydown Enter')) {
    await pause();
  }
  assert.equal(got.length, 4);
});

test('without a text the desktop pastes what it has', async () => {
  startPaste();
  key('keydown', 'Enter');
  answer('');
  await pause();
  assert.deepEqual(got, ['+KeyV', '-KeyV', 'keydown Enter']);
});

test('where the desktop lost the focus meanwhile, modifiers are pressed again', async () => {
  startPaste();
  node.dispatchEvent(new Event('blur'));
  answer('text');
  await pause();
  assert.deepEqual(got, ['text', '+ControlLeft', '+KeyV', '-KeyV', '-ControlLeft']);
});

test('a second paste has its modifier too where the desktop lost the focus meanwhile', async () => {
  startPaste();
  key('keyup', 'KeyV', { ctrlKey: true });
  key('keydown', 'KeyV', { ctrlKey: true });
  node.dispatchEvent(new Event('blur'));
  for (const text of ['one', 'two']) {
    answer(text);
    await pause();
    fetched();
    await pause();
  }
  const pasted = ['+ControlLeft', '+KeyV', '-KeyV', '-ControlLeft'];
  assert.deepEqual(got, ['one', ...pasted, 'keyup KeyV', 'two', ...pasted, 'keyup KeyV']);
});

test('a key that is held pastes once for each text that was read, and holds nothing after it is let go', async () => {
  startPaste();
  for (let count = 0; count < 30; count += 1) {
    key('keydown', 'KeyV', { ctrlKey: true, repeat: true });
  }
  answer('');
  await pause();
  assert.deepEqual(got.splice(0), ['+KeyV', '-KeyV']);
  key('keydown', 'KeyV', { ctrlKey: true, repeat: true });
  key('keyup', 'KeyV', { ctrlKey: true });
  key('keyup', 'ControlLeft');
  answer('');
  await pause();
  assert.deepEqual(got, ['+KeyV', '-KeyV', 'keyup KeyV', 'keyup ControlLeft']);
});

test('keys that are down when the desktop loses the focus come up after what is pasted', async () => {
  startPaste();
  key('keydown', 'KeyA');
  key('keyup', 'KeyA');
  key('keydown', 'AltLeft');
  key('keydown', 'Tab');
  node.dispatchEvent(new Event('blur'));
  node.dispatchEvent(new Event('blur'));
  answer('');
  await pause();
  const pasted = ['+ControlLeft', '+KeyV', '-KeyV', '-ControlLeft', 'keydown KeyA', 'keyup KeyA'];
  assert.deepEqual(got, [...pasted, 'keydown AltLeft', 'keydown Tab', 'keyup Tab', 'keyup AltLeft']);
});

test('keys do not wait for ever for a user who does not say whether the page may read', async () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  startPaste();
  key('keydown', 'Enter');
  mock.timers.tick(60_000);
  mock.timers.reset();
  await pause();
  assert.deepEqual(got, ['+KeyV', '-KeyV', 'keydown Enter']);
});

test('a view that has gone presses nothing and listens to nothing', async () => {
  node.dispatchEvent(new Event('pointerdown'));
  startPaste();
  key('keydown', 'Enter');
  end();
  answer('text');
  await pause();
  assert.deepEqual(got, []);
  assert.deepEqual(getEventListeners(page, 'pointerup'), []);
  assert.deepEqual(getEventListeners(node, 'blur'), []);
});

test('what is copied there after a click is copied here, and nothing else is', async () => {
  clipboard = 'by a program';
  changed();
  node.dispatchEvent(new Event('pointerdown'));
  page.dispatchEvent(new Event('pointerup'));
  clipboard = 'selected';
  changed();
  await pause();
  assert.deepEqual(written, ['selected']);
});

test('a text that was sent is told from one that was only announced', () => {
  const message = (...bytes: number[]) => carriesText(Uint8Array.from(bytes));
  assert.equal(message(6, 0, 0, 0, 0xff, 0xff, 0xff, 0xfc, 0x08, 0, 0, 1), false); // notify
  assert.equal(message(6, 0, 0, 0, 0xff, 0xff, 0xff, 0xf0, 0x10, 0, 0, 1, 1, 2), true); // provide
  assert.equal(message(6, 0, 0, 0, 0, 0, 0, 2, 0x61, 0x62), true); // the old way
  assert.equal(message(4, 1, 0, 0, 0, 0, 0, 0x61), false); // a key
  assert.equal(message(6, 0, 0), false);
});
