import type { ITimers } from '../src/client/backoff.js';

/** A clock on which only the test lets time pass; every timer that is due is run by `advance`. */
export class Clock implements ITimers {
  readonly delays: number[] = [];
  readonly due = new Set<{ callback: () => void }>();

  set(callback: () => void, delay: number): unknown {
    this.delays.push(delay);
    const timer = { callback };
    this.due.add(timer);
    return timer;
  }

  clear(timer: unknown): void {
    this.due.delete(timer as { callback: () => void });
  }

  advance(): void {
    for (const timer of [...this.due]) {
      this.due.delete(timer);
      timer.callback();
    }
  }
}
