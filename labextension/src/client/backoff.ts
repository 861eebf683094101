/** How long to wait between tries while a server is gone. */

export const FIRST_DELAY = 200; // ms before the first try to connect again
export const LONGEST_DELAY = 10_000; // ms

/** Growing delays; a random part keeps many pages from coming back in the same moment. */
export class Backoff {
  /** @param random Returns a number from 0 to 1. */
  constructor(private readonly random: () => number = Math.random) {}

  /** Returns the ms to wait before the next try; the one after that waits up to twice as long. */
  next(): number {
    const delay = this.delay * (0.5 + this.random() / 2);
    this.delay = Math.min(this.delay * 2, LONGEST_DELAY);
    return delay;
  }

  /** Begins anew: it worked. */
  reset(): void {
    this.delay = FIRST_DELAY;
  }

  private delay = FIRST_DELAY;
}

/** The clock, so that tests need not wait. */
export interface ITimers {
  set(callback: () => void, delay: number): unknown;
  clear(timer: unknown): void;
}

export const REAL_TIMERS: ITimers = {
  set: (callback, delay) => setTimeout(callback, delay),
  clear: timer => clearTimeout(timer as Parameters<typeof clearTimeout>[0])
};
