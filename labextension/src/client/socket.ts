/**
 * One stream of the server, followed across drops: it is opened anew with the cursor of the moment, after a
 * random delay that grows while the server is gone.
 */

import { Backoff, type ITimers, REAL_TIMERS } from './backoff.js';

/** Opens a WebSocket at *path*, which is relative to the server's base URL. */
export type OpenSocket = (path: string) => WebSocket;

export const SILENCE = 45_000; // ms without a frame after which a connection is dead; the server pings every 15 s

/** Close codes after which another try answers the same. */
const FINAL_CODES = new Set([1002, 1003, 1009]);

export interface IFollowOptions {
  readonly open: OpenSocket;
  /** Returns the path with the cursor as it is now; called for each connection. */
  path(): string;
  /** A connection is made; what its snapshot alone can confirm is not known any more. */
  opened?(): void;
  /** A frame came. What this throws ends the stream: it is no stream that we understand. */
  received(text: string): void;
  /** The connection was lost and is tried again after *delay* ms. */
  dropped?(delay: number): void;
  /** There will be no more: the stream is not understood, or refused for good. */
  failed(error: Error): void;
  /** Says whether trying again is of use, before it is done: a chat may be gone. Throws to end the stream. */
  check?(): Promise<void>;
  readonly timers?: ITimers;
  /** Returns a number from 0 to 1. */
  readonly random?: () => number;
}

/** Follows a stream from construction until it is disposed. */
export class ResumableSocket {
  constructor(private readonly options: IFollowOptions) {
    this.timers = options.timers ?? REAL_TIMERS;
    this.backoff = new Backoff(options.random);
    this.connect();
  }

  get isDisposed(): boolean {
    return this.disposed;
  }

  /** Closes the connection and makes no other. May be called twice. */
  dispose(): void {
    this.disposed = true;
    this.timers.clear(this.timer);
    this.hangUp();
  }

  /** Tries to connect at once, where it waits to do so: the network is back, or the page is looked at. */
  retryNow(): void {
    if (!this.disposed && this.socket === undefined && !this.checking) {
      this.timers.clear(this.timer);
      this.connect();
    }
  }

  private connect(): void {
    const socket = this.options.open(this.options.path());
    this.socket = socket;
    this.watchSilence();
    socket.onopen = () => this.options.opened?.();
    socket.onmessage = ({ data }) => this.receive(String(data));
    socket.onclose = ({ code }) => this.closed(code);
  }

  private receive(text: string): void {
    this.backoff.reset();
    this.watchSilence();
    try {
      this.options.received(text);
    } catch (error) {
      this.fail(error);
    }
  }

  private watchSilence(): void {
    this.timers.clear(this.timer);
    this.timer = this.timers.set(() => {
      this.hangUp();
      this.wait();
    }, SILENCE);
  }

  private closed(code: number): void {
    this.hangUp();
    if (FINAL_CODES.has(code)) {
      this.fail(new Error(`The server closed the stream with code ${code}. Reload the page.`));
    } else {
      this.wait();
    }
  }

  /** Waits, and tries again. */
  private wait(): void {
    const delay = this.backoff.next();
    this.timers.clear(this.timer);
    this.timer = this.timers.set(() => void this.tryAgain(), delay);
    this.options.dropped?.(delay);
  }

  private async tryAgain(): Promise<void> {
    this.checking = true;
    try {
      await this.options.check?.();
    } catch (error) {
      this.fail(error);
      return;
    } finally {
      this.checking = false;
    }
    if (!this.disposed) {
      this.connect();
    }
  }

  private fail(error: unknown): void {
    if (!this.disposed) {
      this.dispose();
      this.options.failed(error instanceof Error ? error : new Error(String(error)));
    }
  }

  private hangUp(): void {
    const socket = this.socket;
    this.socket = undefined;
    if (socket) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
    }
  }

  private readonly timers: ITimers;
  private readonly backoff: Backoff;
  private socket: WebSocket | undefined;
  private timer: unknown;
  private checking = false;
  private disposed = false;
}
