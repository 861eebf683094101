/** noVNC's client, as far as it is used here, and the way to get it: it is large, and most pages show no desktop. */

export interface IRFB extends EventTarget {
  viewOnly: boolean;
  scaleViewport: boolean;
  background: string;
  disconnect(): void;
  focus(): void;
  sendKey(keysym: number, code: string, down: boolean): void;
  clipboardPasteFrom(text: string): void;
  toDataURL(type?: string): string;
}

/** *channel* is a WebSocket, or anything with its eight members that noVNC uses. */
export type RFB = new (
  target: HTMLElement,
  channel: WebSocket,
  options?: { readonly shared?: boolean }
) => IRFB;

/** Returns noVNC, which comes in a file of its own. */
export async function loadRFB(): Promise<RFB> {
  return (await import('@novnc/novnc')).default;
}
