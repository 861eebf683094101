import { Emitter } from './emitter.js';

/** What the user wants of all chats. */
export interface IPreferences {
  /** `provider:model` of new chats; empty leaves it to the server. */
  readonly defaultModel: string;
  /** Whether new chats ask before they change something. */
  readonly asks: boolean;
  /** What sends a message; the other key begins a line. */
  readonly sendKey: 'Enter' | 'Ctrl+Enter';
  /** Whether to tell that a chat ended or waits while nobody looks. */
  readonly notifies: boolean;
  /** In px; 0 is that of the page. */
  readonly fontSize: number;
}

export const USUAL: IPreferences = {
  defaultModel: '',
  asks: true,
  sendKey: 'Enter',
  notifies: true,
  fontSize: 0
};

/** Preferences that may change while the page is open. */
export class Preferences extends Emitter {
  readonly getState = (): IPreferences => this.state;

  /** Takes what settings hold; what is missing or unknown is as usual. */
  take(settings: Readonly<Record<string, unknown>>): void {
    const { defaultModel, approvals, sendKey, notifications, fontSize } = settings;
    this.state = {
      defaultModel: typeof defaultModel === 'string' ? defaultModel.trim() : USUAL.defaultModel,
      asks: approvals !== 'auto',
      sendKey: sendKey === 'Ctrl+Enter' ? sendKey : USUAL.sendKey,
      notifies: notifications !== false,
      fontSize: typeof fontSize === 'number' && fontSize >= 8 ? fontSize : USUAL.fontSize
    };
    this.changed();
  }

  private state = USUAL;
}

/** What a key in the input asks for: to send, to send and end what runs, or nothing of that. */
export function wishOf(
  { key, shiftKey, ctrlKey, metaKey }: Pick<KeyboardEvent, 'key' | 'shiftKey' | 'ctrlKey' | 'metaKey'>,
  sendKey: IPreferences['sendKey']
): 'send' | 'interrupt' | undefined {
  const isAccel = ctrlKey || metaKey;
  if (key !== 'Enter') {
    return undefined;
  }
  if (sendKey === 'Ctrl+Enter') {
    return isAccel ? (shiftKey ? 'interrupt' : 'send') : undefined;
  }
  return shiftKey ? undefined : isAccel ? 'interrupt' : 'send';
}
