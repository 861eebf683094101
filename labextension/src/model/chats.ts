import type { ChatAPI, IChatChanges } from '../client/chats.js';
import { WATCH_PATH } from '../client/chats.js';
import { decodeWatchFrame } from '../client/events.js';
import { type OpenSocket, ResumableSocket } from '../client/socket.js';
import type { IChat, IQueuedMessage } from '../client/values.js';
import { filesOf, textOf } from './content.js';
import { Draft } from './draft.js';
import { Emitter } from './emitter.js';

const PAGE = 100;

export interface IChatsState {
  /** No subagents: pinned ones first, then the newest change. */
  readonly chats: readonly IChat[];
  /** Chats that were put away, as far as they are known; in the same order. */
  readonly archived: readonly IChat[];
  readonly isLoaded: boolean;
  /** The connection is gone and is tried again: the list may be old. */
  readonly isLost: boolean;
  /** Why the list could not be read. */
  readonly error: Error | undefined;
}

/** The user's chats, kept up to date over one connection; lives as long as its panel. */
export class Chats extends Emitter {
  constructor(
    readonly api: ChatAPI,
    open: OpenSocket
  ) {
    super();
    this.socket = new ResumableSocket({
      open,
      path: () => WATCH_PATH,
      opened: () => void this.load(),
      dropped: () => this.set({ isLost: true }),
      received: text => this.receive(text),
      failed: error => this.set({ error })
    });
  }

  /** The list as it is known now; the same object until it changes. */
  readonly getState = (): IChatsState => this.state;

  /** Returns what is known of a chat, a subagent's too. */
  find(chatId: string): IChat | undefined {
    return this.known.get(chatId);
  }

  /** Returns what is known of a chat's own subagents. */
  childrenOf(chatId: string): readonly IChat[] {
    return [...this.known.values()].filter(chat => chat.parentChatId === chatId);
  }

  /** Takes in chats that somebody has asked the server for. */
  put(...chats: readonly IChat[]): void {
    this.take(chats);
    this.set({});
  }

  /** Changes a chat and takes in what it is then. */
  async change(chatId: string, changes: IChatChanges): Promise<void> {
    await this.api.change(chatId, changes);
    await this.refresh(chatId);
  }

  /** Returns what stands in the input of a chat, whether it is looked at or not. */
  draftOf(chatId: string): Draft {
    const draft = this.drafts.get(chatId) ?? new Draft(this.api);
    this.drafts.set(chatId, draft);
    return draft;
  }

  /** Stops a chat and its subagents. What was queued comes back into its input, and *show* is to show that. */
  async stop(chatId: string, show?: (chatId: string) => void): Promise<void> {
    const dropped = await this.api.stop(chatId);
    if (dropped.length > 0) {
      this.takeBack(chatId, dropped);
      show?.(chatId);
    }
  }

  /** Puts messages that wait no longer, with their files, into the input of their chat. */
  takeBack(chatId: string, queued: readonly IQueuedMessage[]): void {
    const draft = this.draftOf(chatId);
    for (const { content } of queued) {
      draft.append(textOf(content));
      for (const { name, part } of filesOf(content)) {
        draft.refer(name, part);
      }
    }
  }

  /** Takes in that somebody looks at a chat; the server has noted it. */
  markRead(chatId: string): void {
    const chat = this.known.get(chatId);
    if (chat?.hasUnread) {
      this.put({ ...chat, hasUnread: false });
    }
  }

  async refresh(chatId: string): Promise<void> {
    this.put(await this.api.get(chatId));
  }

  /** Reads the list again; an error is part of the state. */
  async load(): Promise<void> {
    try {
      this.take(await this.api.list({ limit: PAGE }));
      this.set({ isLoaded: true, isLost: false, error: undefined });
    } catch (error) {
      this.set({ error: error instanceof Error ? error : new Error(String(error)) });
    }
  }

  /** Reads the chats that were put away. */
  async loadArchived(): Promise<void> {
    this.put(...(await this.api.list({ limit: PAGE, archived: true })));
  }

  /** Tries to connect at once, where a try is due later. */
  retryNow(): void {
    this.socket.retryNow();
  }

  get isDisposed(): boolean {
    return this.socket.isDisposed;
  }

  dispose(): void {
    this.socket.dispose();
  }

  private receive(text: string): void {
    const change = decodeWatchFrame(text);
    if (change) {
      this.put(change.chat);
    }
  }

  /**
   * A reply that comes late does not undo what was told meanwhile. What becomes of the commands is told in few
   * replies only: the others do not take it back.
   */
  private take(chats: readonly IChat[]): void {
    for (const chat of chats) {
      const known = this.known.get(chat.id);
      const newest = known && known.snapshotVersion > chat.snapshotVersion ? known : chat;
      this.known.set(chat.id, { ...newest, commands: chat.commands ?? known?.commands });
    }
  }

  private set(changes: Partial<IChatsState>): void {
    const all = listed([...this.known.values()]);
    const chats = all.filter(chat => !chat.archived);
    const archived = all.filter(chat => chat.archived);
    this.state = { ...this.state, ...changes, chats, archived };
    this.changed();
  }

  private readonly known = new Map<string, IChat>();
  private readonly drafts = new Map<string, Draft>();
  private readonly socket: ResumableSocket;
  private state: IChatsState = {
    chats: [],
    archived: [],
    isLoaded: false,
    isLost: false,
    error: undefined
  };
}

function listed(chats: readonly IChat[]): IChat[] {
  return chats
    .filter(chat => chat.parentChatId === undefined)
    .sort((one, other) => pinned(one) - pinned(other) || other.updatedAt.localeCompare(one.updatedAt));
}

function pinned({ pinOrder }: IChat): number {
  return pinOrder || Number.MAX_SAFE_INTEGER;
}
