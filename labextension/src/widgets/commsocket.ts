import type { KernelMessage, PageMessage } from './contract.js';

const RENEWAL = 30_000; // ms; a kernel closes what nobody has asked for in several of these

const CONNECTING = 0;
const OPEN = 1;
const CLOSED = 3;

type SocketMessage = Extract<KernelMessage, { type: 'opened' | 'frame' | 'closed' }>;

/** A WebSocket to the server that a kernel holds for the page, with the members of a real one that are in use. */
export class CommSocket extends EventTarget {
  constructor(
    private readonly id: string,
    private readonly tell: (message: PageMessage, data?: ArrayBuffer | ArrayBufferView) => void
  ) {
    super();
    this.timer = setInterval(() => this.tell({ type: 'alive', id }), RENEWAL);
  }

  // noVNC looks at a socket's own members before it uses it.
  onopen: ((event: Event) => void) | null = null;
  onmessage: ((event: MessageEvent) => void) | null = null;
  onclose: ((event: CloseEvent) => void) | null = null;
  onerror: ((event: Event) => void) | null = null;
  binaryType: BinaryType = 'arraybuffer';
  readyState: number = CONNECTING;
  protocol = '';

  send(data: string | ArrayBuffer | ArrayBufferView): void {
    if (this.readyState !== OPEN) {
      return; // as a real one that closes
    }
    if (typeof data === 'string') {
      this.tell({ type: 'send', id: this.id, text: data });
    } else {
      this.tell({ type: 'send', id: this.id }, copyOf(data)); // it may be used again before it is sent
    }
  }

  close(): void {
    if (this.readyState !== CLOSED) {
      this.tell({ type: 'close', id: this.id });
      this.end(1000, '');
    }
  }

  /** Takes in what the kernel says about it. */
  take(message: SocketMessage, data: DataView | undefined): void {
    switch (message.type) {
      case 'opened':
        this.readyState = OPEN;
        this.dispatch('open', new Event('open'));
        break;
      case 'frame':
        this.dispatch('message', new MessageEvent('message', { data: message.text ?? bytesOf(data) }));
        if (data) {
          this.tell({ type: 'taken', id: this.id, bytes: data.byteLength });
        }
        break;
      case 'closed':
        this.end(message.code, message.reason);
    }
  }

  private end(code: number, reason: string): void {
    clearInterval(this.timer);
    this.readyState = CLOSED;
    this.dispatch('close', Object.assign(new Event('close'), { code, reason, wasClean: code === 1000 }));
  }

  private dispatch(kind: 'open' | 'message' | 'close', event: Event): void {
    this[`on${kind}`]?.(event as never);
    this.dispatchEvent(event);
  }

  private readonly timer: ReturnType<typeof setInterval>;
}

/** A buffer of its own: what comes may be a piece of a larger one. */
function bytesOf(data: DataView | undefined): ArrayBuffer {
  return data ? copyOf(data) : new ArrayBuffer(0);
}

function copyOf(data: ArrayBuffer | ArrayBufferView): ArrayBuffer {
  if (!ArrayBuffer.isView(data)) {
    return data.slice(0);
  }
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice().buffer as ArrayBuffer;
}
