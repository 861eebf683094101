import { ChatAPI } from '../client/chats.js';
import { getCatalog, type ICatalog } from '../client/restapi.js';
import { ChatModel } from '../model/chat.js';
import { Chats } from '../model/chats.js';
import { CommConnection } from './comm.js';
import { directConnection, hasChat, type IConnection } from './connection.js';
import type { IAnyModel } from './contract.js';
import { type IPageServer, pageServer } from './page.js';

const LINGER = 5_000; // ms that a model is kept for a view that is drawn anew

/** What the widgets of a page share of one connection. */
export class WidgetSession {
  constructor(readonly connection: IConnection) {
    this.api = new ChatAPI(connection.fetch);
  }

  readonly api: ChatAPI;

  get chats(): Chats {
    this.ownChats ??= new Chats(this.api, this.connection.openSocket);
    return this.ownChats;
  }

  /** Returns the models that can be chosen; they are asked for once. */
  catalog(): Promise<ICatalog> {
    this.ownCatalog ??= getCatalog(this.connection.fetch);
    return this.ownCatalog;
  }

  /** Returns the model of a chat, which all views of it share; each calls `release` when it is done. */
  use(chatId: string): ChatModel {
    const known = this.models.get(chatId);
    if (known) {
      known.uses += 1;
      return known.model;
    }
    const model = new ChatModel(chatId, this.chats, this.connection.openSocket);
    this.models.set(chatId, { model, uses: 1 });
    return model;
  }

  release(chatId: string): void {
    const known = this.models.get(chatId);
    if (known) {
      known.uses -= 1;
      setTimeout(() => this.forget(chatId), LINGER);
    }
  }

  /** The network is back, or the page is looked at again. */
  readonly retryNow = (): void => {
    this.ownChats?.retryNow();
    for (const { model } of this.models.values()) {
      model.retryNow();
    }
  };

  private forget(chatId: string): void {
    const known = this.models.get(chatId);
    if (known?.uses === 0) {
      known.model.dispose();
      this.models.delete(chatId);
    }
    if (this.models.size === 0) {
      this.ownChats?.dispose();
      this.ownChats = undefined;
    }
  }

  private ownChats: Chats | undefined;
  private ownCatalog: Promise<ICatalog> | undefined;
  private readonly models = new Map<string, { readonly model: ChatModel; uses: number }>();
}

const direct = new Map<string, WidgetSession>();
const overComm = new WeakMap<IAnyModel, WidgetSession>();

/** Returns the page's own session when its server has the chat, else one through the widget's kernel. */
export async function sessionFor(model: IAnyModel, chatId: string): Promise<WidgetSession> {
  const server = pageServer();
  if (server && model.get('_route') !== 'comm') {
    const session = directSession(server);
    if (await hasChat(session.connection, chatId)) {
      return session;
    }
  }
  return commSession(model);
}

function directSession(server: IPageServer): WidgetSession {
  const known = direct.get(server.baseUrl);
  if (known) {
    return known;
  }
  const session = new WidgetSession(directConnection(server));
  window.addEventListener('online', session.retryNow);
  document.addEventListener('visibilitychange', session.retryNow);
  direct.set(server.baseUrl, session);
  return session;
}

function commSession(model: IAnyModel): WidgetSession {
  let session = overComm.get(model);
  if (!session) {
    session = new WidgetSession(new CommConnection(model));
    overComm.set(model, session);
  }
  return session;
}
