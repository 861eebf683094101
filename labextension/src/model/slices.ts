const BUDGET = 10; // ms of work between two rests: a page that is busy for 50 ms feels stuck

/** Does work piece by piece: the page draws, and takes what the user does, in between. */
export class Slices {
  /**
   * @param rest - Resolves when the page had its turn.
   * @param now - A clock in ms.
   */
  constructor(
    private readonly rest: () => Promise<void> = nextTask,
    private readonly now: () => number = () => performance.now()
  ) {}

  /** Does *job* before what was given earlier and has not begun: what came last is what one looks at. */
  run(job: () => Promise<void>): Promise<void> {
    const done = new Promise<void>((resolve, reject) => {
      this.jobs.push(() => job().then(resolve, reject));
    });
    if (!this.isWorking) {
      this.isWorking = true;
      queueMicrotask(() => void this.work());
    }
    return done;
  }

  private async work(): Promise<void> {
    let began = this.now();
    for (let job = this.jobs.pop(); job !== undefined; job = this.jobs.pop()) {
      await job();
      if (this.now() - began >= BUDGET) {
        await this.rest();
        began = this.now();
      }
    }
    this.isWorking = false;
  }

  private readonly jobs: (() => Promise<void>)[] = [];
  private isWorking = false;
}

/** Sooner than a timer, which browsers hold back, and also while nobody sees the page. */
function nextTask(): Promise<void> {
  return new Promise(resolve => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(undefined);
  });
}
