import type { DesktopModel } from './model.js';

const KEYSYMS: Readonly<Record<string, number>> = { KeyV: 0x76, Insert: 0xff63 };

/**
 * Lets paste on the desktop paste what was copied here, and the other way round, where the browser allows that:
 * on pages that came over https or from this machine, once the user agreed. Returns what ends it.
 */
export function shareClipboard(node: HTMLElement, model: DesktopModel): () => void {
  const onKey = (event: KeyboardEvent): void => {
    if (model.getState().hasControl && isPaste(event) && window.isSecureContext) {
      event.preventDefault();
      event.stopPropagation();
      void paste(model, event.code);
    }
  };
  let known = model.getState().clipboard;
  const unsubscribe = model.subscribe(() => {
    const { clipboard } = model.getState();
    if (clipboard !== known) {
      known = clipboard;
      void take(clipboard);
    }
  });
  node.addEventListener('keydown', onKey, { capture: true });
  return () => {
    unsubscribe();
    node.removeEventListener('keydown', onKey, { capture: true });
  };
}

function isPaste({ code, ctrlKey, metaKey, shiftKey, altKey }: KeyboardEvent): boolean {
  const isV = code === 'KeyV' && (ctrlKey || metaKey);
  return !altKey && (isV || (code === 'Insert' && shiftKey));
}

/** Gives the desktop what was copied here, then the key: what it does with that is its programs' business. */
async function paste(model: DesktopModel, code: string): Promise<void> {
  try {
    const text = await navigator.clipboard.readText();
    if (text) {
      model.copy(text);
    }
  } catch {
    // The user allows no reading: the desktop pastes what it has, and there is still the box for texts.
  }
  model.getState().screen?.press(KEYSYMS[code] ?? 0, code);
}

/** Gives this machine what was copied on the desktop. */
async function take(text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // The page is not secure, or has no right to, or no focus: the text stands in the box, to be copied there.
  }
}
