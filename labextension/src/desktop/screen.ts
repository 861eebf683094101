import { livePath } from '../client/desktops.js';
import type { OpenSocket } from '../client/socket.js';
import { WAY_OUT } from './keys.js';
import type { IRFB, RFB } from './rfb.js';

/** One connection to a desktop, and the element that shows it. */
export interface IScreen {
  readonly node: HTMLElement;
  /** Whether what is done here does anything there. */
  readonly viewOnly: boolean;
  /** Shows the desktop as large as there is room for, or pixel by pixel. */
  fit(isFitted: boolean): void;
  /**
   * Gives *text* to the desktop's clipboard. Resolves when the text has been sent, which most servers ask for only
   * when a program there pastes it: perhaps never.
   */
  copy(text: string): Promise<void>;
  /** Presses a key, or lets it go. */
  press(keysym: number, code: string, isDown: boolean): void;
  focus(): void;
  /** Returns what is to be seen as a PNG in a data URL; empty while nothing is. */
  picture(): string;
  /** Hangs up and tells nothing more. May be called twice. */
  dispose(): void;
}

export interface IScreenOptions {
  readonly chatId: string;
  readonly viewOnly: boolean;
  /** The desktop is to be seen. */
  connected(): void;
  /** The connection is lost, or there was none; `dispose` remains to be called. */
  closed(): void;
  /** Somebody copied *text* on the desktop; only those hear of it who may use it. */
  copied(text: string): void;
}

export type OpenScreen = (options: IScreenOptions) => IScreen;

/** Returns what connects noVNC, which *load* brings, through *openSocket*. */
export function openScreenWith(openSocket: OpenSocket, load: () => Promise<RFB>): OpenScreen {
  return options => new NoVNCScreen(options, openSocket, load);
}

class NoVNCScreen implements IScreen {
  constructor(
    private readonly options: IScreenOptions,
    openSocket: OpenSocket,
    load: () => Promise<RFB>
  ) {
    this.node.className = 'jp-chatd-screen';
    this.node.classList.toggle('jp-mod-viewOnly', options.viewOnly);
    void this.connect(openSocket, load);
  }

  readonly node = document.createElement('div');

  get viewOnly(): boolean {
    return this.options.viewOnly;
  }

  fit(isFitted: boolean): void {
    this.isFitted = isFitted;
    this.node.classList.toggle('jp-mod-fitted', isFitted);
    if (this.rfb) {
      this.rfb.scaleViewport = isFitted;
    }
  }

  copy(text: string): Promise<void> {
    return new Promise(resolve => {
      this.onTextSent = resolve;
      this.rfb?.clipboardPasteFrom(text);
    });
  }

  press(keysym: number, code: string, isDown: boolean): void {
    this.rfb?.sendKey(keysym, code, isDown);
  }

  focus(): void {
    this.rfb?.focus();
  }

  picture(): string {
    return this.isConnected ? (this.rfb?.toDataURL('image/png') ?? '') : '';
  }

  dispose(): void {
    if (!this.isDisposed) {
      this.isDisposed = true;
      this.rfb?.disconnect();
      this.rfb = undefined;
      this.node.remove();
    }
  }

  private async connect(openSocket: OpenSocket, load: () => Promise<RFB>): Promise<void> {
    let Client: RFB;
    try {
      Client = await load();
    } catch {
      this.close(); // its file could not be fetched: the server may be away, so try again
      return;
    }
    if (!this.isDisposed) {
      const socket = openSocket(livePath(this.options.chatId, this.options));
      watchSent(socket, data => {
        if (carriesText(data)) {
          this.onTextSent();
        }
      });
      this.watch(new Client(this.node, socket));
    }
  }

  private watch(rfb: IRFB): void {
    this.rfb = rfb;
    rfb.viewOnly = this.options.viewOnly;
    rfb.background = 'transparent';
    this.fit(this.isFitted);
    rfb.addEventListener('connect', () => {
      if (!this.isDisposed) {
        this.isConnected = true;
        this.keepKeys();
        this.options.connected();
      }
    });
    rfb.addEventListener('disconnect', () => this.close());
    rfb.addEventListener('clipboard', event => {
      if (!this.isDisposed) {
        this.options.copied((event as CustomEvent<{ readonly text: string }>).detail.text);
      }
    });
  }

  /** Keys are the desktop's, not JupyterLab's, which looks at the element that has the focus first. */
  private keepKeys(): void {
    const canvas = this.node.querySelector('canvas');
    if (canvas && !this.viewOnly) {
      canvas.dataset.lmSuppressShortcuts = 'true';
      canvas.tabIndex = 0; // who has left by keyboard comes back by keyboard
      canvas.setAttribute('role', 'application');
      canvas.setAttribute('aria-label', 'The desktop');
      canvas.setAttribute('aria-description', `All keys are the desktop's. ${WAY_OUT} leads to the buttons.`);
    }
  }

  private close(): void {
    this.isConnected = false;
    this.rfb = undefined; // it takes no second `disconnect`
    if (!this.isDisposed) {
      this.options.closed();
    }
  }

  private onTextSent: () => void = () => undefined;
  private rfb: IRFB | undefined;
  private isFitted = true;
  private isConnected = false;
  private isDisposed = false;
}

/** Tells *sent* of all that noVNC sends, each message of which begins a piece. */
function watchSent(socket: WebSocket, sent: (data: Uint8Array) => void): void {
  const send = socket.send.bind(socket);
  socket.send = (data: Uint8Array<ArrayBuffer>) => {
    send(data);
    sent(data);
  };
}

const CUT_TEXT = 6;
const PROVIDE = 1 << 28;

/** Whether a client's message of RFB has the text of its clipboard, and not merely says that there is one. */
export function carriesText(data: Uint8Array): boolean {
  if (data[0] !== CUT_TEXT || data.length < 8) {
    return false;
  }
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const isExtended = view.getInt32(4) < 0;
  return !isExtended || (data.length >= 12 && (view.getUint32(8) & PROVIDE) !== 0);
}
