import { Token } from '@lumino/coreutils';

/** The agent's side panel, for other extensions. */
export interface IAgentPanel {
  /** The chat that is looked at, if any. */
  readonly chatId: string | undefined;
  /** Brings the panel into sight with this chat. */
  open(chatId: string): void;
  /** Brings the panel into sight with the input for a new chat; *text* is put there, not sent. */
  compose(text?: string): void;
}

/** Not provided where an admin switched the agent off. */
export const IAgentPanel = new Token<IAgentPanel>(
  'jupyter-chatd:IAgentPanel',
  'The side panel of the agent.'
);
