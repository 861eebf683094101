import * as React from 'react';

import type { Draft } from '../model/draft.js';
import { completed, fitting, type IFolderEntry, type IMention, mentionAt } from '../model/mention.js';
import { useHost } from './host.js';

export interface IMentions {
  /** What the cursor may mean; empty when it stands in no mention. */
  readonly entries: readonly IFolderEntry[];
  /** The one that Enter takes. */
  readonly chosen: number;
  /** Looks where the cursor is now. */
  look(): void;
  /** Takes keys that are meant for the list; returns whether it was one. */
  onKeyDown(event: React.KeyboardEvent): boolean;
  choose(entry: IFolderEntry): void;
  close(): void;
}

/** Returns the files and folders that the `@…` before the cursor may mean. */
export function useMentions(input: React.RefObject<HTMLTextAreaElement>, draft: Draft): IMentions {
  const { listFolder } = useHost();
  const [mention, setMention] = React.useState<IMention>();
  const [chosen, choose] = React.useState(0);
  const listed = useFolder(mention?.folder, listFolder);
  const entries = mention ? fitting(listed, mention.query) : [];
  const close = () => setMention(undefined);
  const look = () => {
    const { current } = input;
    setMention(listFolder && current ? mentionAt(current.value, current.selectionEnd) : undefined);
    choose(0);
  };
  const take = (entry: IFolderEntry) => {
    const { current } = input;
    if (mention && current) {
      const next = completed(current.value, current.selectionEnd, mention, entry);
      draft.setText(next.text);
      if (!entry.isFolder) {
        draft.refer(entry.name, { type: 'file-reference', file_name: entry.path });
      }
      requestAnimationFrame(() => {
        current.focus();
        current.setSelectionRange(next.caret, next.caret);
        look();
      });
    }
  };
  const onKeyDown = (event: React.KeyboardEvent) => {
    const entry = entries[Math.min(chosen, entries.length - 1)];
    if (!entry || event.nativeEvent.isComposing) {
      return false;
    }
    const acts: Readonly<Record<string, () => void>> = {
      ArrowDown: () => choose((chosen + 1) % entries.length),
      ArrowUp: () => choose((chosen + entries.length - 1) % entries.length),
      Enter: () => take(entry),
      Tab: () => take(entry),
      Escape: close
    };
    const act = event.shiftKey ? undefined : acts[event.key];
    act?.();
    if (act) {
      event.preventDefault();
      event.stopPropagation();
    }
    return act !== undefined;
  };
  return { entries, chosen: Math.min(chosen, entries.length - 1), look, onKeyDown, choose: take, close };
}

/** Returns what lies in a folder, as far as it is known by now; nothing of one that cannot be read. */
function useFolder(
  folder: string | undefined,
  listFolder: ((path: string) => Promise<readonly IFolderEntry[]>) | undefined
): readonly IFolderEntry[] {
  const [listed, setListed] = React.useState<readonly IFolderEntry[]>([]);
  React.useEffect(() => {
    let isWanted = true;
    setListed([]);
    if (folder !== undefined && listFolder) {
      listFolder(folder).then(
        entries => isWanted && setListed(entries),
        () => undefined // there is no such folder: what is written is no mention
      );
    }
    return () => {
      isWanted = false;
    };
  }, [folder, listFolder]);
  return listed;
}

/** The list above the input, which says with its ids which entry is chosen. */
export function MentionList({
  mentions: { entries, chosen, choose },
  id
}: {
  readonly mentions: IMentions;
  readonly id: string;
}): React.ReactElement | null {
  if (entries.length === 0) {
    return null;
  }
  return (
    <div className="jp-chatd-mentions" role="listbox" id={id} aria-label="Files">
      {entries.map((entry, index) => (
        <div
          key={entry.path}
          id={`${id}-${index}`}
          role="option"
          tabIndex={-1}
          aria-selected={index === chosen}
          className={index === chosen ? 'jp-mod-chosen' : ''}
          onMouseDown={event => {
            event.preventDefault(); // the cursor stays in the input
            choose(entry);
          }}
        >
          {entry.name}
          {entry.isFolder && '/'}
        </div>
      ))}
    </div>
  );
}
