import * as React from 'react';

import type { IChat } from '../client/values.js';
import type { Chats } from '../model/chats.js';

interface IObservable<State> {
  readonly subscribe: (listener: () => void) => () => void;
  readonly getState: () => State;
}

/** Returns the state of *model* as it is now; the component is rendered again when it changes. */
export function useModel<State>({ subscribe, getState }: IObservable<State>): State {
  return React.useSyncExternalStore(subscribe, getState);
}

/** Returns what is known of a chat, a subagent's too; the component is rendered again when that changes. */
export function useChat(chats: Chats, chatId: string): IChat | undefined {
  return React.useSyncExternalStore(chats.subscribe, () => chats.find(chatId));
}
