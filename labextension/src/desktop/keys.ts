/** The keys that, pressed together and let go, lead from the desktop back to the page. */
export const WAY_OUT = 'Ctrl+Alt+Shift';

const CHORD = ['Control', 'Alt', 'Shift'];

/**
 * Calls *leave* once the keys of `WAY_OUT` were pressed in *node* with no other key between them and the first that
 * is let go: combinations of them with another key are the desktop's. When the focus leaves *node*, however that
 * comes, the desktop is told that all keys came up, which nobody would tell it else. Returns what ends it.
 */
export function lendKeys(node: HTMLElement, leave: () => void): () => void {
  const ends = new AbortController();
  const listening = { capture: true, signal: ends.signal };
  const down = new Set<string>();
  let isChord = false;
  node.addEventListener(
    'keydown',
    event => {
      down.add(event.code);
      isChord = holdsAll(down);
    },
    listening
  );
  node.addEventListener(
    'keyup',
    ({ code }) => {
      down.delete(code);
      if (isChord) {
        isChord = false;
        leave();
      }
    },
    listening
  );
  node.addEventListener(
    'focusout',
    ({ target }) => {
      isChord = false;
      for (const code of [...down]) {
        target?.dispatchEvent(new KeyboardEvent('keyup', { code, bubbles: true, cancelable: true }));
      }
    },
    listening
  );
  return () => ends.abort();
}

function holdsAll(down: ReadonlySet<string>): boolean {
  const codes = [...down];
  const isOfChord = (code: string): boolean => CHORD.some(name => code.startsWith(name));
  return codes.every(isOfChord) && CHORD.every(name => codes.some(code => code.startsWith(name)));
}
