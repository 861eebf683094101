import type { ChatAPI, IChatOptions, InputPart } from '../client/chats.js';
import type { ICatalog } from '../client/restapi.js';
import type { OpenSocket } from '../client/socket.js';
import type { ICapability, IChat } from '../client/values.js';
import { ChatModel } from './chat.js';
import { Chats } from './chats.js';
import { Draft } from './draft.js';
import { Emitter } from './emitter.js';
import { sentenceFor } from './problem.js';
import type { ToolWork } from './toolwork.js';

export interface IPanelState {
  /** The chat that is looked at; without one, the list and the input for a new chat. */
  readonly chat: ChatModel | undefined;
  readonly catalog: ICatalog | undefined;
  readonly capabilities: readonly ICapability[];
  /** With what the next new chat begins. */
  readonly options: IChatOptions;
  /** What is looked for. */
  readonly search: string;
  /** Ids of the chats that were found, best first; the list has only them. */
  readonly found: readonly string[] | undefined;
  /** Whether the list is that of the chats that were put away. */
  readonly isArchive: boolean;
  readonly problem: string | undefined;
  /** Whether the user is to be taken to the search. */
  readonly wantsSearch: boolean;
}

/** What a panel shows: the list of chats, or one of them. Lives as long as the panel. */
export class PanelModel extends Emitter {
  constructor(
    private readonly api: ChatAPI,
    private readonly openSocket: OpenSocket,
    private readonly getCatalog: () => Promise<ICatalog>,
    private readonly work?: ToolWork
  ) {
    super();
    this.chats = new Chats(api, openSocket);
    this.draft = new Draft(api);
    void this.attempt(async () => this.set({ catalog: await this.getCatalog() }));
    void this.attempt(async () => this.set({ capabilities: await this.api.capabilities() }));
  }

  readonly chats: Chats;
  /** What stands in the input for a new chat. */
  readonly draft: Draft;

  readonly getState = (): IPanelState => this.state;

  /** Shows a chat, a subagent's too. */
  open(chatId: string): void {
    if (this.state.chat?.id !== chatId) {
      this.state.chat?.dispose();
      this.set({ chat: new ChatModel(chatId, this.chats, this.openSocket, this.work), problem: undefined });
    }
  }

  /** Shows the list and the input for a new chat. */
  close(): void {
    this.state.chat?.dispose();
    this.set({ chat: undefined });
  }

  /** Makes a chat of what is written, and shows it; what the user has not chosen for it is as *usual*. */
  start(content: readonly InputPart[], usual: IChatOptions = {}): Promise<boolean> {
    const { effort } = this.draft.getState();
    return this.attempt(async () => {
      const chat = await this.api.create(content, { ...usual, ...this.state.options, effort });
      this.chats.put(chat);
      this.set({ options: { ...this.state.options, planMode: false } });
      this.open(chat.id);
      this.state.chat?.draft.setEffort(effort);
    });
  }

  setOptions(options: IChatOptions): void {
    this.set({ options: { ...this.state.options, ...options } });
  }

  /** Looks for *search* in titles and messages; an earlier search whose answer comes late is forgotten. */
  async find(search: string): Promise<void> {
    this.set({ search, ...(search.trim() === '' && { found: undefined }) });
    if (search.trim()) {
      await this.attempt(async () => {
        const { isArchive } = this.state;
        const found = await this.api.list({ words: search, archived: isArchive });
        this.chats.put(...found);
        if (this.state.search === search && this.state.isArchive === isArchive) {
          this.set({ found: found.map(({ id }) => id) });
        }
      });
    }
  }

  /** Takes the user to the field in which one searches. */
  askForSearch(): void {
    this.set({ wantsSearch: true });
  }

  /** The user is there. */
  searchIsShown(): void {
    this.set({ wantsSearch: false });
  }

  /** Puts a chat away, with its subagents; what runs is stopped. */
  archive(chat: IChat): Promise<boolean> {
    return this.attempt(async () => {
      await this.chats.change(chat.id, { archived: true });
      if (this.state.chat?.id === chat.id) {
        this.close();
      }
    });
  }

  /** Takes a chat and its subagents back into the list. */
  restore(chat: IChat): Promise<boolean> {
    return this.attempt(() => this.chats.change(chat.id, { archived: false }));
  }

  /** Lists the chats that were put away, or the others. */
  showArchive(isArchive: boolean): Promise<boolean> {
    this.set({ isArchive, search: '', found: undefined });
    return this.attempt(async () => {
      if (isArchive) {
        await this.chats.loadArchived();
      }
    });
  }

  /** Keeps a chat at the top of the list, or no longer. */
  pin(chat: IChat): Promise<boolean> {
    return this.attempt(() => this.chats.change(chat.id, { pinOrder: chat.pinOrder ? 0 : 1 }));
  }

  /** Stops what runs; where something was queued, the chat opens with it in the input. */
  stop(chat: IChat): Promise<boolean> {
    return this.attempt(() => this.chats.stop(chat.id, id => this.open(id)));
  }

  forgetProblem(): void {
    this.set({ problem: undefined });
  }

  /** Tries at once to connect where a connection is lost. */
  retryNow(): void {
    this.chats.retryNow();
    this.state.chat?.retryNow();
  }

  get isDisposed(): boolean {
    return this.chats.isDisposed;
  }

  dispose(): void {
    this.state.chat?.dispose();
    this.chats.dispose();
  }

  private async attempt(act: () => Promise<void>): Promise<boolean> {
    try {
      await act();
      return true;
    } catch (error) {
      this.set({ problem: sentenceFor(error) });
      return false;
    }
  }

  private set(changes: Partial<IPanelState>): void {
    this.state = { ...this.state, ...changes };
    this.changed();
  }

  private state: IPanelState = {
    chat: undefined,
    catalog: undefined,
    capabilities: [],
    options: {},
    search: '',
    found: undefined,
    isArchive: false,
    problem: undefined,
    wantsSearch: false
  };
}
