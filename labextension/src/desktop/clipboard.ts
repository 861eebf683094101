import type { DesktopModel } from './model.js';

/** Keysyms of X, by the codes of the keys. */
const KEYSYMS: Readonly<Record<string, number>> = {
  KeyV: 0x76,
  Insert: 0xff63,
  ControlLeft: 0xffe3,
  ShiftLeft: 0xffe1
};

const COPY_TIME = 2_000; // ms in which a desktop does what it was asked to
const READ_TIME = 5_000; // ms in which the user allows the page to read what was copied
const TAKE_TIME = 1_000; // ms in which a program of the desktop fetches what it shall paste, if any does

/**
 * Lets paste on the desktop paste what was copied here, and the other way round, where the browser allows that:
 * on pages that came over https or from this machine, once the user agreed. What programs of the desktop put on its
 * clipboard without a key or a click of the user's stays there. Returns what ends it.
 */
export function shareClipboard(node: HTMLElement, model: DesktopModel): () => void {
  const ends = new AbortController();
  const listening = { capture: true, signal: ends.signal };
  let askedAt = Number.NEGATIVE_INFINITY;
  const onUse = (): void => {
    askedAt = Date.now();
  };
  const onPointer = (): void => {
    onUse(); // an entry of a menu, perhaps, or the beginning of a selection
    window.addEventListener('pointerup', onUse, { ...listening, once: true }); // noVNC lays itself over the page
  };
  const pasting = new Pasting(model, ends.signal);
  const onKey = (event: KeyboardEvent): void => {
    askedAt = isCopy(event) ? Date.now() : askedAt;
    if (pasting.take(event)) {
      event.preventDefault();
      event.stopPropagation();
    } else {
      pasting.note(event);
    }
  };
  let known = model.getState().clipboard;
  const unsubscribe = model.subscribe(() => {
    const { clipboard } = model.getState();
    if (clipboard !== known) {
      known = clipboard;
      if (Date.now() - askedAt < COPY_TIME) {
        void take(clipboard);
      }
    }
  });
  node.addEventListener('keydown', onKey, listening);
  node.addEventListener('keyup', onKey, listening);
  node.addEventListener('pointerdown', onPointer, listening);
  node.addEventListener('blur', () => pasting.letGo(), listening);
  return () => {
    unsubscribe();
    ends.abort();
  };
}

function isCopy({ code, ctrlKey }: KeyboardEvent): boolean {
  return ctrlKey && ['KeyC', 'KeyX', 'Insert'].includes(code);
}

function isPaste({ type, code, ctrlKey, shiftKey, altKey }: KeyboardEvent): boolean {
  const isCombination = (code === 'KeyV' && ctrlKey) || (code === 'Insert' && shiftKey && !ctrlKey);
  return type === 'keydown' && !altKey && isCombination;
}

/** What is to be told of a key: *type* is that of *event*, or tells that the key of *event* came up. */
interface IHeldKey {
  readonly event: KeyboardEvent;
  readonly type: string;
}

/** Gives the desktop what was copied here before the keys that paste it, and all other keys after it. */
class Pasting {
  constructor(
    private readonly model: DesktopModel,
    private readonly end: AbortSignal
  ) {}

  /** Whether a key is dealt with here, now or later; else it is the desktop's at once. */
  take(event: KeyboardEvent): boolean {
    if (this.isBusy) {
      // A key that is held pastes again once the text is there: its repeats come faster than that.
      if (!(isPaste(event) && event.repeat)) {
        this.held.push({ event, type: event.type });
      }
      return true;
    }
    if (!(isPaste(event) && this.model.getState().hasControl && window.isSecureContext)) {
      return false;
    }
    void this.paste(event);
    return true;
  }

  /** The desktop hears of a key that is not dealt with here. */
  note({ type, code }: KeyboardEvent): void {
    if (type === 'keydown') {
      this.down.add(code);
    } else {
      this.down.delete(code);
    }
  }

  /** The desktop has lost the focus, and noVNC lets go of all keys: nobody will tell that those held here come up. */
  letGo(): void {
    this.down.clear();
    const pressed = new Map<string, KeyboardEvent>();
    for (const { event, type } of this.held) {
      if (type === 'keydown') {
        pressed.set(event.code, event);
      } else {
        pressed.delete(event.code);
      }
    }
    this.held.push(...[...pressed.values()].reverse().map(event => ({ event, type: 'keyup' })));
  }

  private async paste(event: KeyboardEvent): Promise<void> {
    this.isBusy = true;
    const text = await readClipboard();
    if (!this.end.aborted) {
      const isTaken = text ? this.model.copy(text) : Promise.resolve();
      this.press(event);
      await within(isTaken, TAKE_TIME);
    }
    this.isBusy = false;
    this.replay();
  }

  /** What a program does with these keys is its business. */
  private press({ code, ctrlKey, shiftKey }: KeyboardEvent): void {
    const modifiers = [...(ctrlKey ? ['Control'] : []), ...(shiftKey ? ['Shift'] : [])];
    const isDown = (name: string) => this.down.has(`${name}Left`) || this.down.has(`${name}Right`);
    const missing = modifiers.filter(name => !isDown(name));
    const codes = [...missing.map(name => `${name}Left`), code];
    const { screen } = this.model.getState();
    for (const each of codes) {
      screen?.press(KEYSYMS[each] ?? 0, each, true);
    }
    for (const each of codes.reverse()) {
      screen?.press(KEYSYMS[each] ?? 0, each, false);
    }
  }

  private replay(): void {
    for (const { event, type } of this.held.splice(0)) {
      if (!this.end.aborted) {
        event.target?.dispatchEvent(copyOf(event, type));
      }
    }
  }

  private readonly held: IHeldKey[] = [];
  /** Codes of the keys that are down on the desktop, as far as these came from the keyboard. */
  private readonly down = new Set<string>();
  private isBusy = false;
}

/** An event may be dispatched once; noVNC reads the states of the locks, which a copy has only if it is told. */
function copyOf(event: KeyboardEvent, type: string): KeyboardEvent {
  const { key, code, location, repeat, ctrlKey, shiftKey, altKey, metaKey } = event;
  return new KeyboardEvent(type, {
    ...{ key, code, location, repeat, ctrlKey, shiftKey, altKey, metaKey },
    modifierAltGraph: event.getModifierState('AltGraph'),
    modifierCapsLock: event.getModifierState('CapsLock'),
    modifierNumLock: event.getModifierState('NumLock'),
    bubbles: true,
    cancelable: true
  });
}

/** Resolves to what *wanted* does, or to nothing once *time* ms have passed. */
function within<T>(wanted: Promise<T>, time: number): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => resolve(undefined), time);
    void wanted.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/** Returns what was copied here; empty when that is no text, or the user allows no reading or does not say. */
async function readClipboard(): Promise<string> {
  try {
    return (await within(navigator.clipboard.readText(), READ_TIME)) ?? '';
  } catch {
    return ''; // the desktop pastes what it has, and there is still the box for texts
  }
}

/** Gives this machine what was copied on the desktop. */
async function take(text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // The page is not secure, or has no right to, or no focus: the text stands in the box, to be copied there.
  }
}
