import type { DesktopModel } from './model.js';

/** Keysyms of X, by the codes of the keys. */
const KEYSYMS: Readonly<Record<string, number>> = {
  KeyV: 0x76,
  Insert: 0xff63,
  ControlLeft: 0xffe3,
  ShiftLeft: 0xffe1
};

const COPY_TIME = 2_000; // ms in which a desktop does what it was asked to

/** Which modifiers are down. */
type Held = Pick<KeyboardEvent, 'ctrlKey' | 'shiftKey'>;

/**
 * Lets paste on the desktop paste what was copied here, and the other way round, where the browser allows that:
 * on pages that came over https or from this machine, once the user agreed. What programs of the desktop put on its
 * clipboard without a key or a click of the user's stays there. Returns what ends it.
 */
export function shareClipboard(node: HTMLElement, model: DesktopModel): () => void {
  let held: Held = { ctrlKey: false, shiftKey: false };
  let askedAt = Number.NEGATIVE_INFINITY;
  const onUse = (): void => {
    askedAt = Date.now();
  };
  const onPointer = (): void => {
    onUse(); // an entry of a menu, perhaps, or the beginning of a selection
    window.addEventListener('pointerup', onUse, { capture: true, once: true }); // noVNC lays itself over the page
  };
  const onKey = (event: KeyboardEvent): void => {
    held = event;
    askedAt = isCopy(event) ? Date.now() : askedAt;
    if (event.type === 'keydown' && model.getState().hasControl && isPaste(event) && window.isSecureContext) {
      event.preventDefault();
      event.stopPropagation();
      void paste(model, event, () => held);
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
  node.addEventListener('keydown', onKey, { capture: true });
  node.addEventListener('keyup', onKey, { capture: true });
  node.addEventListener('pointerdown', onPointer, { capture: true });
  return () => {
    unsubscribe();
    node.removeEventListener('keydown', onKey, { capture: true });
    node.removeEventListener('keyup', onKey, { capture: true });
    node.removeEventListener('pointerdown', onPointer, { capture: true });
  };
}

function isCopy({ code, ctrlKey }: KeyboardEvent): boolean {
  return ctrlKey && ['KeyC', 'KeyX', 'Insert'].includes(code);
}

function isPaste({ code, ctrlKey, shiftKey, altKey }: KeyboardEvent): boolean {
  return !altKey && ((code === 'KeyV' && ctrlKey) || (code === 'Insert' && shiftKey && !ctrlKey));
}

/** Gives the desktop what was copied here, then the keys: what they do with that is its programs' business. */
async function paste(model: DesktopModel, event: KeyboardEvent, heldNow: () => Held): Promise<void> {
  try {
    const text = await navigator.clipboard.readText();
    if (text) {
      model.copy(text);
    }
  } catch {
    // The user allows no reading: the desktop pastes what it has, and there is still the box for texts.
  }
  const { ctrlKey, shiftKey } = heldNow(); // by now they may have been let go
  const codes = [
    ...(event.ctrlKey && !ctrlKey ? ['ControlLeft'] : []),
    ...(event.shiftKey && !shiftKey ? ['ShiftLeft'] : [])
  ];
  const { screen } = model.getState();
  const press = (code: string, isDown: boolean) => screen?.press(KEYSYMS[code] ?? 0, code, isDown);
  for (const code of [...codes, event.code]) {
    press(code, true);
  }
  for (const code of [event.code, ...codes.reverse()]) {
    press(code, false);
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
