import { Notification } from '@jupyterlab/apputils';

import type { ChatStatus, IChat } from '../client/values.js';
import { isSettled } from '../client/view.js';
import type { Chats } from '../model/chats.js';

export interface INotifierOptions {
  readonly chats: Chats;
  readonly isWanted: () => boolean;
  /** Whether somebody sees the chats. */
  readonly isSeen: () => boolean;
  readonly open: (chatId: string) => void;
}

/** Tells that a chat has ended or waits for somebody, when nobody sees it. Returns what ends that. */
export function notifyOf({ chats, isWanted, isSeen, open }: INotifierOptions): () => void {
  const before = new Map<string, ChatStatus>();
  return chats.subscribe(() => {
    for (const chat of chats.getState().chats) {
      const was = before.get(chat.id);
      before.set(chat.id, chat.status);
      const news = was !== undefined && was !== chat.status && !isSettled(was) ? newsOf(chat) : undefined;
      if (news && isWanted() && !isSeen()) {
        Notification.emit(news, chat.status === 'error' ? 'error' : 'info', {
          autoClose: chat.status === 'requires_action' ? false : 8000,
          actions: [{ label: 'Open', callback: () => open(chat.id) }]
        });
      }
    }
  });
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
