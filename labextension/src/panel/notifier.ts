import type { Notification } from '@jupyterlab/apputils';

import type { ChatStatus, IChat } from '../client/values.js';
import { isSettled } from '../client/view.js';
import type { Chats } from '../model/chats.js';

export interface INotifierOptions {
  readonly chats: Pick<Chats, 'getState' | 'subscribe'>;
  readonly notifications: Pick<typeof Notification, 'emit' | 'dismiss'>;
  readonly isWanted: () => boolean;
  /** Whether somebody sees that chat, or the panel with all of them. */
  readonly isSeen: (chatId: string) => boolean;
  readonly open: (chatId: string) => void;
}

/** How long a chat has waited before that is told, in ms: for functions of notebooks it waits shortly. */
const PATIENCE = 3000;

/** Tells that a chat has ended or waits for somebody, when nobody sees it. Returns what ends that. */
export function notifyOf(options: INotifierOptions): () => void {
  const { chats, notifications, open } = options;
  const before = new Map<string, ChatStatus>();
  const waiting = new Map<string, () => void>();

  const tell = (chat: IChat, news: string): string | undefined =>
    options.isWanted() && !options.isSeen(chat.id)
      ? notifications.emit(news, chat.status === 'error' ? 'error' : 'info', {
          autoClose: chat.status === 'requires_action' ? false : 8000,
          actions: [{ label: 'Open', callback: () => open(chat.id) }]
        })
      : undefined;

  const takeBack = (chatId: string): void => {
    waiting.get(chatId)?.();
    waiting.delete(chatId);
  };

  const unsubscribe = chats.subscribe(() => {
    const listed = chats.getState().chats;
    const gone = new Set(waiting.keys());
    for (const { id } of listed) {
      gone.delete(id);
    }
    gone.forEach(takeBack);
    for (const chat of listed) {
      const was = before.get(chat.id);
      before.set(chat.id, chat.status);
      if (was === undefined || was === chat.status) {
        continue;
      }
      takeBack(chat.id);
      const news = isSettled(was) ? undefined : newsOf(chat);
      if (news && chat.status === 'requires_action') {
        waiting.set(
          chat.id,
          later(() => tell(chat, news), notifications.dismiss)
        );
      } else if (news) {
        tell(chat, news);
      }
    }
  });
  return () => {
    unsubscribe();
    for (const end of waiting.values()) {
      end();
    }
  };
}

/** Tells after a while. Returns what takes it back. */
function later(tell: () => string | undefined, dismiss: (told: string) => void): () => void {
  let told: string | undefined;
  const timer = setTimeout(() => {
    told = tell();
  }, PATIENCE);
  return () => {
    clearTimeout(timer);
    if (told !== undefined) {
      dismiss(told);
    }
  };
}

function newsOf({ title, status }: IChat): string | undefined {
  switch (status) {
    case 'requires_action':
      return `The agent waits for you: ${title}`;
    case 'waiting':
      return `The agent is done: ${title}`;
    case 'error':
      return `The agent could not go on: ${title}`;
    default:
      return undefined;
  }
}
