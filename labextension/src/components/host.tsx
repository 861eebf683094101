import * as React from 'react';

import type { IFolderEntry } from '../model/mention.js';
import { type IPreferences, Preferences } from '../model/preferences.js';
import { useModel } from './useModel.js';

export type IconName =
  | 'add'
  | 'agent'
  | 'archive'
  | 'back'
  | 'beside'
  | 'clipboard'
  | 'close'
  | 'code'
  | 'desktop'
  | 'down'
  | 'edit'
  | 'file'
  | 'fit'
  | 'full'
  | 'notebook'
  | 'pin'
  | 'plan'
  | 'question'
  | 'restore'
  | 'search'
  | 'send'
  | 'stop'
  | 'terminal'
  | 'tool';

/** One block of Markdown on the page. */
export interface IMarkdownView {
  readonly node: HTMLElement;
  /** Shows *markdown*, sanitized, in place of what was there; math of what is still growing stays source. */
  render(markdown: string, isGrowing?: boolean): Promise<void>;
  dispose(): void;
}

/** Something that can be done with the code of an answer. */
export interface ICodeAction {
  readonly label: string;
  run(code: string): void;
}

/** The cells of notebooks that calls are about; *path* is left out for the notebook of the chat's turn. */
export interface ICells {
  /** Returns the source of a cell of an open notebook. */
  source(chatId: string, path: string | undefined, cell: string): string | undefined;
  /** Brings a cell into sight, and opens its notebook for that. */
  show(chatId: string, path: string | undefined, cell: string): void;
}

/** What the components need of where they are shown: JupyterLab, or the output of a cell. */
export interface IHost {
  readonly Icon: React.ComponentType<{ readonly name: IconName }>;
  readonly codeActions: readonly ICodeAction[];
  /** Whether the input takes the focus when it comes into sight. In a notebook the cells keep it. */
  readonly focusesInput: boolean;
  createMarkdown(): IMarkdownView;
  /** What the user wants; as usual where nobody can say. */
  readonly preferences?: Preferences | undefined;
  /** Shows a chat beside this one; where there is room for it. */
  readonly openBeside?: ((chatId: string) => void) | undefined;
  /** Shows the desktop of a chat; where there is a place for it. */
  readonly openDesktop?: ((chatId: string) => void) | undefined;
  /** Notebooks, where the page has them. */
  readonly cells?: () => ICells | undefined;
  /** Returns what lies in a folder of the server, for references; where the page can see files. */
  readonly listFolder?: (path: string) => Promise<readonly IFolderEntry[]>;
  /** Returns the address of a stored file; on a page that has no way to the server only `fileBlob` leads to it. */
  fileURL(fileId: string): string;
  /** Fetches a stored file, where no address does. */
  readonly fileBlob?: ((fileId: string) => Promise<Blob>) | undefined;
  /** Returns the text of a stored file. */
  fileText(fileId: string): Promise<string>;
}

const HostContext = React.createContext<IHost | undefined>(undefined);

export const HostProvider = HostContext.Provider;

/** Returns the host of the component that calls it. */
export function useHost(): IHost {
  const host = React.useContext(HostContext);
  if (!host) {
    throw new Error('Expected a HostProvider above this component.');
  }
  return host;
}

const NOBODYS = new Preferences();

/** Returns what the user wants now. */
export function usePreferences(): IPreferences {
  return useModel(useHost().preferences ?? NOBODYS);
}

export interface IIconButtonProps {
  readonly icon: IconName;
  readonly label: string;
  readonly onClick: () => void;
  readonly disabled?: boolean;
  readonly className?: string;
}

/** A button that shows only an icon; its label is read out, and shown when one points at it. */
export function IconButton({
  icon,
  label,
  onClick,
  disabled,
  className
}: IIconButtonProps): React.ReactElement {
  const { Icon } = useHost();
  return (
    <button
      type="button"
      className={`jp-chatd-iconButton ${className ?? ''}`}
      title={label}
      aria-label={label}
      disabled={disabled}
      onClick={onClick}
    >
      <Icon name={icon} />
    </button>
  );
}
