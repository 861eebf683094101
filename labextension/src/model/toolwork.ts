/**
 * The calls of tools that this page runs: taken on, run in their order, answered. Several pages of one user,
 * and kernels, may see the same call; the server gives it to one of them.
 */

import type { ChatAPI, IOffer, IOutcome, IToolDeclaration } from '../client/chats.js';
import { ResponseError } from '../client/restapi.js';
import type { IAction, ICallKey } from '../client/values.js';
import type { IChatView } from '../client/view.js';

const TRIES = 6; // to reach the server for one call, over about half a minute
const FIRST_DELAY = 500; // ms; doubles
const LEFT = 'The page of JupyterLab that ran this was closed before it ended: what came of it is not known.';

/** One call, as a tool gets it. */
export interface IToolCall {
  readonly chatId: string;
  /** The user's message that began the turn. */
  readonly turnId: number;
  /** The model's answer that holds the call, and others perhaps. */
  readonly stepId: number;
  /** What the model sent: any JSON. */
  readonly args: unknown;
  /** Aborts when nobody waits for the result any more: the turn was stopped, or its time is over. */
  readonly signal: AbortSignal;
}

/** A tool that runs in this page. What `run` throws, the model reads as an error. */
export interface IClientTool extends IToolDeclaration {
  run(call: IToolCall): Promise<IOutcome>;
}

/** A turn as this page sees it. */
export interface ITurn {
  readonly chatId: string;
  /** The message of the user that began it. */
  readonly turnId: number;
  /** What the client that sent the message calls it. */
  readonly name: string | undefined;
  /** Who has sent it: this page, another one, or a client that gives no names. */
  readonly sentFrom: 'here' | 'elsewhere' | 'unknown';
}

/** How well this page suits a call: which turn it belongs to, and what it is about. */
export interface ICallPlace extends ITurn {
  readonly toolName: string;
  readonly args: unknown;
}

/** Tools that belong together. */
export interface IToolSet {
  readonly tools: readonly IClientTool[];
  /** Hears that a message is sent from this page now. */
  sending?(name: string): void;
  /** Hears of the turn of a chat: of one whose sender gives no names only when it begins while this page looks on. */
  turnStarted?(turn: ITurn): void;
  /** Returns for how many ms a call is left to other pages, which may suit it better. */
  patience?(place: ICallPlace): number;
}

/** What is known of one chat. */
interface IWorkplace {
  /** That of the newest message of the user; `undefined` before anything was seen. */
  turn: ITurn | undefined;
  /** Names of calls that were looked at. */
  readonly seen: Set<string>;
}

interface IRun {
  readonly chatId: string;
  readonly action: IAction;
  readonly stop: AbortController;
}

/** All calls that this page runs, of all its chats. Lives as long as the page. */
export class ToolWork implements IOffer {
  /**
   * @param client - Names this page among all clients of the server.
   * @param pause - Waits for so many ms; tests need not.
   */
  constructor(
    private readonly api: Pick<ChatAPI, 'claim' | 'finish'>,
    readonly client: string,
    private readonly pause: (ms: number) => Promise<void> = ms => new Promise(done => setTimeout(done, ms))
  ) {}

  /** Offers tools to the model with each message that is sent from now on, until the returned function is called. */
  add(set: IToolSet): () => void {
    this.sets.add(set);
    return () => void this.sets.delete(set);
  }

  declarations(): readonly IToolDeclaration[] {
    return [...this.sets].flatMap(({ tools }) => tools);
  }

  name(): string {
    this.named += 1;
    const name = `${this.client}/${this.named}`;
    for (const set of this.sets) {
      set.sending?.(name);
    }
    return name;
  }

  /** Notes that somebody shows a chat's stream to `look`, until the returned function is called. */
  attend(chatId: string): () => void {
    const own = { chatId };
    this.attended.add(own);
    return () => void this.attended.delete(own);
  }

  isAttended(chatId: string): boolean {
    return [...this.attended].some(one => one.chatId === chatId);
  }

  /** Takes on what waits in a chat, and stops what nobody waits for any more. */
  look(chatId: string, view: IChatView): void {
    if (!view.isComplete) {
      return;
    }
    const place = this.workplace(chatId);
    this.noteTurn(chatId, place, view);
    this.stopOthers(chatId, view);
    const fresh = view.actions.filter(action => this.isOurs(action) && !place.seen.has(nameOf(action)));
    if (fresh.length > 0) {
      fresh.forEach(action => void place.seen.add(nameOf(action)));
      void this.take(chatId, place, fresh);
    }
  }

  /** Says of what runs that its result is lost: the page goes away. */
  leave(): void {
    const outcome = { result: { error: LEFT }, isError: true };
    for (const { chatId, action } of this.runs.values()) {
      void this.api.finish(chatId, action, outcome, this.client, true).catch(() => undefined);
    }
  }

  private noteTurn(chatId: string, place: IWorkplace, view: IChatView): void {
    const newest = view.messages.findLast(({ role }) => role === 'user');
    if (newest === undefined || newest.id === place.turn?.turnId) {
      return;
    }
    const { id: turnId, clientMessageId: name } = newest;
    const isKnown = name !== undefined || place.turn !== undefined;
    const turn = { chatId, turnId, name, sentFrom: this.senderOf(name) };
    place.turn = turn;
    for (const set of isKnown ? this.sets : []) {
      set.turnStarted?.(turn);
    }
  }

  private senderOf(name: string | undefined): ITurn['sentFrom'] {
    if (name === undefined) {
      return 'unknown';
    }
    return name.startsWith(`${this.client}/`) ? 'here' : 'elsewhere';
  }

  private stopOthers(chatId: string, view: IChatView): void {
    const isOver = view.status !== 'requires_action';
    for (const run of this.runs.values()) {
      const isAsked = view.actions.some(action => nameOf(action) === nameOf(run.action));
      if (run.chatId === chatId && (isOver || (view.actions.length > 0 && !isAsked))) {
        run.stop.abort();
      }
    }
  }

  private isOurs({ kind, toolName, claimedBy }: IAction): boolean {
    return kind === 'client_tool' && claimedBy === undefined && this.find(toolName) !== undefined;
  }

  private find(name: string): { set: IToolSet; tool: IClientTool } | undefined {
    for (const set of this.sets) {
      const tool = set.tools.find(one => one.name === name);
      if (tool) {
        return { set, tool };
      }
    }
    return undefined;
  }

  /** Claims the calls of a step together, so that one page runs them all, in their order. */
  private async take(chatId: string, place: IWorkplace, actions: readonly IAction[]): Promise<void> {
    const turn = place.turn ?? { chatId, turnId: 0, name: undefined, sentFrom: 'unknown' };
    const patience = Math.max(...actions.map(action => this.patience(turn, action)));
    if (patience > 0) {
      await this.pause(patience); // browsers make timers of pages out of sight wait: whose call it is, sets none
    }
    try {
      await this.insist(() => this.api.claim(chatId, actions, this.client));
    } catch (error) {
      if (!(error instanceof ResponseError)) {
        actions.forEach(action => void place.seen.delete(nameOf(action))); // the next snapshot starts over
      }
      return; // another client was faster, or nobody waits any more
    }
    const runs = actions.map(action => ({ chatId, action, stop: new AbortController() }));
    runs.forEach(run => void this.runs.set(runName(chatId, run.action), run));
    for (const run of runs) {
      await this.run(run, turn.turnId);
    }
  }

  private patience(turn: ITurn, { toolName, args }: IAction): number {
    return this.find(toolName)?.set.patience?.({ ...turn, toolName, args }) ?? 0;
  }

  private async run({ chatId, action, stop }: IRun, turnId: number): Promise<void> {
    try {
      const call = { chatId, turnId, stepId: action.messageId, args: action.args, signal: stop.signal };
      const outcome = await this.outcomeOf(call, action.toolName);
      await this.insist(() => this.api.finish(chatId, action, outcome, this.client));
    } catch {
      // Refused: the turn went on without. Unreachable: the call's deadline ends the waiting, which the model is told.
    } finally {
      this.runs.delete(runName(chatId, action));
    }
  }

  private async outcomeOf(call: IToolCall, toolName: string): Promise<IOutcome> {
    const tool = this.find(toolName)?.tool;
    if (!tool || call.signal.aborted) {
      return failure(tool ? 'This was not run: the turn was stopped.' : `There is no ${toolName} any more.`);
    }
    try {
      return await tool.run(call);
    } catch (error) {
      return failure(error instanceof Error ? error.message : String(error));
    }
  }

  /** Repeats a request while the server cannot be reached; claims and results may arrive twice. */
  private async insist(request: () => Promise<void>): Promise<void> {
    for (let tried = 1; ; tried += 1) {
      try {
        return await request();
      } catch (error) {
        if (error instanceof ResponseError || tried === TRIES) {
          throw error;
        }
        await this.pause(FIRST_DELAY * 2 ** (tried - 1));
      }
    }
  }

  private workplace(chatId: string): IWorkplace {
    const known = this.places.get(chatId);
    const place = known ?? { turn: undefined, seen: new Set() };
    this.places.set(chatId, place);
    return place;
  }

  private named = 0;
  private readonly sets = new Set<IToolSet>();
  private readonly attended = new Set<{ readonly chatId: string }>();
  private readonly places = new Map<string, IWorkplace>();
  private readonly runs = new Map<string, IRun>();
}

export function failure(text: string): IOutcome {
  return { result: { error: text }, isError: true };
}

function nameOf({ messageId, callIndex }: ICallKey): string {
  return `${messageId}.${callIndex}`;
}

function runName(chatId: string, key: ICallKey): string {
  return `${chatId}.${nameOf(key)}`;
}
