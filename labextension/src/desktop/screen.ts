import { livePath } from '../client/desktops.js';
import type { OpenSocket } from '../client/socket.js';
import type { IRFB, RFB } from './rfb.js';

/** One connection to a desktop, and the element that shows it. */
export interface IScreen {
  readonly node: HTMLElement;
  /** Whether what is done here does anything there. */
  readonly viewOnly: boolean;
  /** Shows the desktop as large as there is room for, or pixel by pixel. */
  fit(isFitted: boolean): void;
  /** Gives *text* to the desktop's clipboard. */
  copy(text: string): void;
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

  copy(text: string): void {
    this.rfb?.clipboardPasteFrom(text);
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
      this.watch(new Client(this.node, openSocket(livePath(this.options.chatId, this.options))));
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
    }
  }

  private close(): void {
    this.isConnected = false;
    this.rfb = undefined; // it takes no second `disconnect`
    if (!this.isDisposed) {
      this.options.closed();
    }
  }

  private rfb: IRFB | undefined;
  private isFitted = true;
  private isConnected = false;
  private isDisposed = false;
}
