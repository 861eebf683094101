import { Backoff, type ITimers, REAL_TIMERS } from '../client/backoff.js';
import type { DesktopAPI, IDesktopStatus } from '../client/desktops.js';
import { ResponseError } from '../client/restapi.js';
import { Emitter } from '../model/emitter.js';
import { sentenceFor } from '../model/problem.js';
import type { IScreen, OpenScreen } from './screen.js';

export const LOOK_PAUSE = 2000; // ms between two questions how the desktop stands
const MANY_FAILURES = 3; // of the live view alone, while the server answers

/** `stopped` begins to show by itself when the desktop starts; `refused` stays until somebody asks again. */
export type Phase = 'starting' | 'connected' | 'reconnecting' | 'stopped' | 'refused';

export interface IDesktopState {
  readonly phase: Phase;
  /** Why it is not to be seen, where more is known than the phase says. */
  readonly reason: string | undefined;
  /** What the server said last. */
  readonly status: IDesktopStatus | undefined;
  /** What shows it; the last picture of a connection that was lost is not kept. */
  readonly screen: IScreen | undefined;
  /** Whether keys and pointer of this view go to the desktop. */
  readonly hasControl: boolean;
  readonly isFitted: boolean;
  /** What was copied on the desktop last, as far as this view heard of it. */
  readonly clipboard: string;
  /** What went wrong with the last thing that the user did. */
  readonly problem: string | undefined;
}

export interface IDesktopOptions {
  readonly api: DesktopAPI;
  readonly openScreen: OpenScreen;
  readonly timers?: ITimers;
  /** Returns a number from 0 to 1. */
  readonly random?: () => number;
}

/** The desktop of one chat as somebody watches it and uses it. Lives as long as its view is open. */
export class DesktopModel extends Emitter {
  constructor(
    readonly chatId: string,
    options: IDesktopOptions
  ) {
    super();
    this.api = options.api;
    this.openScreen = options.openScreen;
    this.timers = options.timers ?? REAL_TIMERS;
    this.backoff = new Backoff(options.random);
    void this.look();
  }

  /** What is known now; the same object until something changes. */
  readonly getState = (): IDesktopState => this.state;

  /** Starts the desktop. */
  start(): Promise<boolean> {
    this.set({ phase: 'starting', reason: undefined });
    return this.attempt(() => this.api.start(this.chatId));
  }

  /** Lets the agent wait, and keys and pointer of this view go to the desktop. */
  take(): Promise<boolean> {
    return this.attempt(async () => {
      const status = await this.api.take(this.chatId);
      this.wantsControl = true;
      return status;
    });
  }

  /** Gives the desktop back to the agent. */
  release(): Promise<boolean> {
    this.wantsControl = false;
    return this.attempt(() => this.api.release(this.chatId));
  }

  /** Shows all of the desktop, or each of its pixels. */
  fit(isFitted: boolean): void {
    this.state.screen?.fit(isFitted);
    this.set({ isFitted });
  }

  /** Gives *text* to the desktop's clipboard, where this view may use it; resolves when it was fetched. */
  async copy(text: string): Promise<void> {
    await this.state.screen?.copy(text);
  }

  forgetProblem(): void {
    this.set({ problem: undefined });
  }

  /** Looks at once: the network is back, the page is looked at again, or somebody asks for it. */
  retryNow(): void {
    if (!this.disposed) {
      this.timers.clear(this.timer);
      void this.look();
    }
  }

  get isDisposed(): boolean {
    return this.disposed;
  }

  /** Hangs up; gives back what this view has taken. May be called twice. */
  dispose(): void {
    if (this.disposed) {
      return;
    }
    this.disposed = true;
    this.timers.clear(this.timer);
    this.waiting?.dispose();
    this.state.screen?.dispose();
    this.giveBack();
  }

  /** What a view that has gone took would be kept from the agent. */
  private giveBack(): void {
    if (this.wantsControl) {
      void this.api.release(this.chatId).catch(() => {}); // the view that could say so has gone
    }
  }

  /** Asks how the desktop stands, and does what follows from that. */
  private async look(): Promise<void> {
    const asked = ++this.looks;
    let status: IDesktopStatus;
    try {
      status = await this.api.status(this.chatId);
    } catch (error) {
      if (asked === this.looks) {
        this.lookedInVain(error);
      }
      return;
    }
    if (asked === this.looks) {
      this.follow(status);
    }
  }

  private lookedInVain(error: unknown): void {
    if (this.disposed) {
      return;
    }
    if (error instanceof ResponseError && error.status < 500) {
      this.hangUp();
      this.set({ phase: 'refused', reason: sentenceFor(error), status: undefined });
      return;
    }
    if (this.state.screen === undefined) {
      this.set({ phase: 'reconnecting', reason: sentenceFor(error) });
    }
    this.lookAfter(this.backoff.next());
  }

  /** Takes note of how the desktop stands, and shows it when it runs. */
  private follow(status: IDesktopStatus): void {
    if (this.disposed) {
      return;
    }
    if (status.controlledBy === undefined) {
      this.wantsControl = false; // also when somebody gave it back elsewhere
    }
    this.set({ status });
    if (status.state === 'running') {
      this.show();
    } else {
      this.hangUp();
      const phase = status.state === 'starting' ? 'starting' : 'stopped';
      this.set({ phase, reason: status.problem });
    }
    if (this.waiting === undefined) {
      this.lookAfter(LOOK_PAUSE);
    }
  }

  /** Connects, unless what is shown or comes is what is wanted. The old picture stays until the new one is there. */
  private show(): void {
    const viewOnly = !this.wantsControl;
    if ((this.waiting ?? this.state.screen)?.viewOnly === viewOnly) {
      return;
    }
    this.waiting?.dispose();
    if (this.state.screen === undefined) {
      this.set({ phase: this.wasConnected ? 'reconnecting' : 'starting' });
    }
    const screen = this.openScreen({
      chatId: this.chatId,
      viewOnly,
      connected: () => this.connected(screen),
      closed: () => this.closed(screen),
      copied: text => this.set({ clipboard: text })
    });
    this.waiting = screen;
    screen.fit(this.state.isFitted);
  }

  private connected(screen: IScreen): void {
    this.failures = 0;
    this.wasConnected = true;
    this.backoff.reset();
    this.waiting = undefined;
    const before = this.state.screen;
    const hasControl = !screen.viewOnly;
    this.set({ phase: 'connected', reason: undefined, screen, hasControl });
    before?.dispose();
    this.lookAfter(LOOK_PAUSE);
  }

  private closed(screen: IScreen): void {
    screen.dispose();
    if (screen === this.waiting) {
      this.waiting = undefined;
      this.failures += 1;
    }
    if (screen === this.state.screen) {
      this.set({ screen: undefined, hasControl: false });
    }
    if (this.state.screen === undefined) {
      this.set({ phase: 'reconnecting', reason: this.failures < MANY_FAILURES ? undefined : BLOCKED });
    }
    this.lookAfter(this.backoff.next());
  }

  private hangUp(): void {
    this.waiting?.dispose();
    this.waiting = undefined;
    this.state.screen?.dispose();
    this.failures = 0;
    this.wasConnected = false;
    this.set({ screen: undefined, hasControl: false });
  }

  private lookAfter(delay: number): void {
    this.timers.clear(this.timer);
    this.timer = this.timers.set(() => void this.look(), delay);
  }

  /** Does what the user asked for; what was asked before is answered by it. */
  private async attempt(act: () => Promise<IDesktopStatus>): Promise<boolean> {
    this.looks += 1;
    this.set({ problem: undefined });
    try {
      const status = await act();
      this.looks += 1;
      this.backoff.reset();
      this.follow(status);
      return true;
    } catch (error) {
      this.set({ problem: sentenceFor(error) });
      this.retryNow();
      return false;
    } finally {
      if (this.disposed) {
        this.giveBack();
      }
    }
  }

  private set(changes: Partial<IDesktopState>): void {
    if (!this.disposed) {
      this.state = { ...this.state, ...changes };
      this.changed();
    }
  }

  private readonly api: DesktopAPI;
  private readonly openScreen: OpenScreen;
  private readonly timers: ITimers;
  private readonly backoff: Backoff;
  private timer: unknown;
  /** Counts questions: a reply to an old one is not news. */
  private looks = 0;
  /** The connection that is being made. */
  private waiting: IScreen | undefined;
  private wantsControl = false;
  /** Of the live view, one after another. */
  private failures = 0;
  private wasConnected = false;
  private disposed = false;
  private state: IDesktopState = {
    phase: 'starting',
    reason: undefined,
    status: undefined,
    screen: undefined,
    hasControl: false,
    isFitted: true,
    clipboard: '',
    problem: undefined
  };
}

const BLOCKED =
  'The server answers, but its live view cannot be opened: a proxy in between may let no WebSocket pass.';
