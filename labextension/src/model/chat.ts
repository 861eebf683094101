import { type ChatAPI, type InputPart, streamPath } from '../client/chats.js';
import { decodeStreamFrame } from '../client/events.js';
import { ResponseError } from '../client/restapi.js';
import { type OpenSocket, ResumableSocket } from '../client/socket.js';
import type { IAction, ICallKey, IMessage, IQueuedMessage, IUsageTotals } from '../client/values.js';
import { apply, cursorOf, EMPTY_VIEW, type IChatView, isSettled, reconnected } from '../client/view.js';
import type { Chats } from './chats.js';
import { filesOf, textInput, textOf } from './content.js';
import type { Draft } from './draft.js';
import { Emitter } from './emitter.js';
import { sentenceFor } from './problem.js';
import type { ToolWork } from './toolwork.js';
import { type Entry, Transcript } from './transcript.js';

const SHORTEST_PAUSE = 80; // ms between two pictures of a stream: more often costs time and shows nothing more
const CLIENT = 'jupyterlab'; // who answers questions

export interface IChatState {
  readonly view: IChatView;
  readonly entries: readonly Entry[];
  /** `lost` is tried again. */
  readonly connection: 'connecting' | 'open' | 'lost';
  /** Why there is nothing more to come. */
  readonly failure: Error | undefined;
  /** What went wrong with the last thing that the user did. */
  readonly problem: string | undefined;
  readonly usage: IUsageTotals | undefined;
  /** Counts how often the user was asked to write. */
  readonly inputRequests: number;
}

/** One chat that is looked at: its stream, and what can be done to it. Lives as long as its view is open. */
export class ChatModel extends Emitter {
  constructor(
    readonly id: string,
    readonly chats: Chats,
    open: OpenSocket,
    private readonly work?: ToolWork
  ) {
    super();
    this.unattend = work?.attend(id);
    this.api = chats.api;
    this.draft = chats.draftOf(id);
    this.socket = new ResumableSocket({
      open,
      path: () => streamPath(id, cursorOf(this.view)),
      opened: () => this.opened(),
      received: text => this.receive(text),
      dropped: () => this.set({ connection: 'lost' }),
      failed: failure => this.set({ failure, connection: 'lost' }),
      check: () => this.check()
    });
    void this.loadFamily();
  }

  /** What is known now; the same object until something changes. */
  readonly getState = (): IChatState => this.state;

  /** What stands in the input. */
  readonly draft: Draft;

  /** Sends *content*; while a turn runs it waits in the queue, or ends the turn. Returns whether it was taken. */
  send(content: readonly InputPart[], busyBehavior: 'queue' | 'interrupt' = 'queue'): Promise<boolean> {
    const { effort } = this.draft.getState();
    return this.attempt(async () => void (await this.api.send(this.id, content, { busyBehavior, effort })));
  }

  /** Stops what runs, subagents too; what was queued comes back into the input. */
  stop(): Promise<boolean> {
    return this.attempt(() => this.chats.stop(this.id));
  }

  /** Takes a queued message back into the input. */
  editQueued(queued: IQueuedMessage): Promise<boolean> {
    return this.attempt(async () => {
      await this.api.unqueue(this.id, queued.id);
      this.chats.takeBack(this.id, [queued]);
    });
  }

  removeQueued(queued: IQueuedMessage): Promise<boolean> {
    return this.attempt(() => this.api.unqueue(this.id, queued.id));
  }

  /** Ends the turn that runs and goes on with this message. */
  sendNow(queued: IQueuedMessage): Promise<boolean> {
    return this.attempt(async () => void (await this.api.promote(this.id, queued.id)));
  }

  /**
   * Replaces the text of a sent message; all that followed is gone, and what was queued comes back into the
   * input. Its files stay.
   */
  edit(message: IMessage, text: string): Promise<boolean> {
    const content = [...textInput(text), ...filesOf(message.content).map(({ part }) => part)];
    return this.attempt(async () => {
      this.chats.takeBack(this.id, await this.api.edit(this.id, message.id, content));
    });
  }

  /** Goes on after a failure: with the message that got no answer, or from where the turn had come to. */
  retry(): Promise<boolean> {
    const last = this.view.messages.at(-1);
    return last?.role === 'user' ? this.edit(last, textOf(last.content)) : this.send(textInput('Continue.'));
  }

  /** Decides about one call alone. */
  decide(action: IAction, decision: 'once' | 'deny'): Promise<boolean> {
    return this.attempt(() => this.api.decide(this.id, action, decision));
  }

  /** Allows a call and all others of its tool in this chat: those that wait, and those to come. */
  allowTool({ toolName }: IAction): Promise<boolean> {
    return this.attempt(async () => {
      const isMeant = (action: IAction) => action.kind === 'approval' && action.toolName === toolName;
      for (const action of this.view.actions.filter(isMeant)) {
        await this.api.decide(this.id, action, 'chat');
      }
    });
  }

  /** Answers questions; *answers* has one text for each, in order. */
  answer(action: IAction, answers: readonly IAnswer[]): Promise<boolean> {
    return this.attempt(() => this.api.answer(this.id, action, { answers }, CLIENT));
  }

  change(changes: Parameters<Chats['change']>[1]): Promise<boolean> {
    return this.attempt(() => this.chats.change(this.id, changes));
  }

  /** Stops a subagent; the chat goes on with what it has reported. *show* as of `Chats.stop`. */
  stopChild(chatId: string, show: (chatId: string) => void): Promise<boolean> {
    return this.attempt(() => this.chats.stop(chatId, show));
  }

  /** Leaves plan mode and has the plan carried out that *call* proposed. */
  approvePlan(call: ICallKey): Promise<boolean> {
    return this.attempt(async () => {
      await this.api.decide(this.id, call, 'allow');
      await this.chats.refresh(this.id);
    });
  }

  /** Takes the user to the input. */
  askForInput(): void {
    this.set({ inputRequests: this.state.inputRequests + 1 });
  }

  forgetProblem(): void {
    this.set({ problem: undefined });
  }

  /** Tries to connect at once, where a try is due later. */
  retryNow(): void {
    this.socket.retryNow();
  }

  get isDisposed(): boolean {
    return this.socket.isDisposed;
  }

  dispose(): void {
    clearTimeout(this.pause);
    this.pause = undefined;
    if (!this.isDisposed) {
      this.chats.markRead(this.id); // the server does the same when the stream ends
    }
    this.unattend?.();
    this.socket.dispose();
  }

  private opened(): void {
    this.view = reconnected(this.view);
    this.set({ connection: 'open' });
  }

  private receive(text: string): void {
    const before = this.view;
    this.view = apply(before, decodeStreamFrame(text));
    this.work?.look(this.id, this.view);
    if (isAtRest(this.view) && !isAtRest(before)) {
      void this.loadUsage();
      this.chats.markRead(this.id);
    }
    if (this.view !== before) {
      this.showSoon();
    }
  }

  /** Shows at once what comes after a pause, and the rest no more often than makes sense. */
  private showSoon(): void {
    this.isStale = true;
    if (this.pause === undefined && !this.isDisposed) {
      this.show();
      this.pause = setTimeout(() => {
        this.pause = undefined;
        if (this.isStale) {
          this.showSoon();
        }
      }, SHORTEST_PAUSE);
    }
  }

  private show(): void {
    this.isStale = false;
    this.set({ view: this.view, entries: this.transcript.entriesOf(this.view) });
  }

  private set(changes: Partial<IChatState>): void {
    this.state = { ...this.state, ...changes };
    this.changed();
  }

  /** A chat that is gone, or not ours, does not come back: the stream ends with the server's words. */
  private async check(): Promise<void> {
    try {
      await this.chats.refresh(this.id);
    } catch (error) {
      if (error instanceof ResponseError && (error.status === 404 || error.status === 403)) {
        throw error;
      }
    }
  }

  private loadFamily(): Promise<boolean> {
    return this.attempt(async () => {
      const [chat, children] = await Promise.all([this.api.get(this.id), this.api.children(this.id)]);
      this.chats.put(chat, ...children);
    });
  }

  private loadUsage(): Promise<boolean> {
    return this.attempt(async () => this.set({ usage: await this.api.usage(this.id) }));
  }

  /** Does what the user asked for; what goes wrong is shown, in the server's words where it had some. */
  private async attempt(act: () => Promise<void>): Promise<boolean> {
    try {
      await act();
      return true;
    } catch (error) {
      this.set({ problem: sentenceFor(error) });
      return false;
    }
  }

  private readonly api: ChatAPI;
  private readonly unattend: (() => void) | undefined;
  private readonly socket: ResumableSocket;
  private readonly transcript = new Transcript();
  private view = EMPTY_VIEW;
  private pause: ReturnType<typeof setTimeout> | undefined;
  private isStale = false;
  private state: IChatState = {
    view: EMPTY_VIEW,
    entries: [],
    connection: 'connecting',
    failure: undefined,
    problem: undefined,
    usage: undefined,
    inputRequests: 0
  };
}

function isAtRest({ isComplete, status }: IChatView): boolean {
  return isComplete && isSettled(status);
}

export interface IAnswer {
  readonly question: string;
  readonly answer: string;
}
