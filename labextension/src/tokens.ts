import { Token } from '@lumino/coreutils';

import type { ICells } from './components/host.js';
import type { IToolSet } from './model/toolwork.js';

/** Something to talk about. */
export interface ISubject {
  /** What is put into the input; it is not sent. */
  readonly text?: string;
  /** Pieces of files or notebooks. */
  readonly references: readonly IReference[];
  readonly files: readonly { readonly name: string; readonly data: Blob }[];
}

export interface IReference {
  /** What people see. */
  readonly label: string;
  /** What the agent sees: a path, and where in it. */
  readonly place: string;
  readonly content: string;
}

/** The agent's side panel, for other extensions. */
export interface IAgentPanel {
  /** The chat that is looked at, if any. */
  readonly chatId: string | undefined;
  /** Brings the panel into sight with this chat. */
  open(chatId: string): void;
  /** Brings the panel into sight with the input for a new chat; *text* is put there, not sent. */
  compose(text?: string): void;
  /** Brings the panel into sight and attaches *subject* to what is being written there. */
  discuss(subject: ISubject): void;
  /** Offers tools of this page to the model, with each message from here, until the returned function is called. */
  offer(tools: IToolSet): () => void;
  /** Lets cards of calls show the cells that they are about. */
  showCells(cells: ICells): void;
}

/** Not provided where an admin switched the agent off. */
export const IAgentPanel = new Token<IAgentPanel>(
  'jupyter-chatd:IAgentPanel',
  'The side panel of the agent.'
);
