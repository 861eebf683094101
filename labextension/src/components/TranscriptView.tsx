import * as React from 'react';

import type { ChatModel } from '../model/chat.js';
import type { Entry } from '../model/transcript.js';
import { EntryView } from './EntryView.js';
import { IconButton } from './host.js';

const PAGE = 60; // entries
const NEAR = 40; // px from the end within which it is kept in sight

export interface ITranscriptViewProps {
  readonly entries: readonly Entry[];
  readonly model: ChatModel;
  readonly isBusy: boolean;
  readonly onOpen: (chatId: string) => void;
  /** What stands below the last entry. */
  readonly children?: React.ReactNode;
}

/** A chat's entries: the last ones at first, earlier ones when one scrolls up to them. */
export function TranscriptView(props: ITranscriptViewProps): React.ReactElement {
  const { entries, model, isBusy, onOpen, children } = props;
  const box = React.useRef<HTMLDivElement>(null);
  const content = React.useRef<HTMLDivElement>(null);
  const { isAtEnd, onScroll, toEnd } = useEndInSight(box, content);
  const { count, showEarlier } = useEarlier(box);
  const hidden = Math.max(0, entries.length - count);
  return (
    <div className="jp-chatd-transcriptFrame">
      <div
        className="jp-chatd-transcript"
        ref={box}
        role="log"
        aria-label="Conversation"
        aria-live="off"
        aria-busy={isBusy}
        tabIndex={0}
        onScroll={onScroll}
      >
        <div ref={content}>
          {hidden > 0 && <Earlier onSeen={showEarlier} isWatching={!isAtEnd} box={box} />}
          {entries.slice(hidden).map(entry => (
            <div className="jp-chatd-entry" key={entry.key} data-kind={entry.kind}>
              <EntryView entry={entry} model={model} onOpen={onOpen} />
            </div>
          ))}
          {children}
        </div>
      </div>
      {!isAtEnd && <IconButton icon="down" label="To the end" className="jp-mod-end" onClick={toEnd} />}
    </div>
  );
}

interface IEnd {
  readonly isAtEnd: boolean;
  readonly onScroll: () => void;
  readonly toEnd: () => void;
}

/** Keeps the end in sight while content grows, unless the user has scrolled away from it. */
function useEndInSight(box: React.RefObject<HTMLElement>, content: React.RefObject<HTMLElement>): IEnd {
  const [isAtEnd, setAtEnd] = React.useState(true);
  const follows = React.useRef(true);
  const lastTop = React.useRef(0); // px
  const toEnd = React.useCallback(() => {
    follows.current = true;
    setAtEnd(true);
    box.current?.scrollTo({ top: box.current.scrollHeight });
  }, [box]);
  React.useLayoutEffect(() => {
    // Markdown is rendered later than React, and what stands below takes room: the sizes say when.
    const observer = new ResizeObserver(() => follows.current && toEnd());
    for (const element of [box.current, content.current]) {
      if (element) {
        observer.observe(element);
      }
    }
    return () => observer.disconnect();
  }, [box, content, toEnd]);
  const onScroll = () => {
    const element = box.current;
    if (element) {
      // Content that grew since does not count as scrolling away from the end: only going up does.
      const hasGoneUp = element.scrollTop < lastTop.current;
      lastTop.current = element.scrollTop;
      const isNear = element.scrollHeight - element.scrollTop - element.clientHeight < NEAR;
      follows.current = isNear || (follows.current && !hasGoneUp);
      setAtEnd(follows.current);
    }
  };
  return { isAtEnd, onScroll, toEnd };
}

interface IEarlierEntries {
  /** How many of the last entries are shown. */
  readonly count: number;
  readonly showEarlier: () => void;
}

/** Shows more of what came before, and keeps in its place what one is looking at. */
function useEarlier(box: React.RefObject<HTMLElement>): IEarlierEntries {
  const [count, setCount] = React.useState(PAGE);
  const below = React.useRef<number>(); // px from the top edge in sight to the end
  const showEarlier = React.useCallback(() => {
    if (box.current) {
      below.current = box.current.scrollHeight - box.current.scrollTop;
    }
    setCount(shown => shown + PAGE);
  }, [box]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: what is looked at moves when more is shown
  React.useLayoutEffect(() => {
    if (box.current && below.current !== undefined) {
      box.current.scrollTop = box.current.scrollHeight - below.current;
    }
    below.current = undefined;
  }, [box, count]);
  return { count, showEarlier };
}

interface IEarlierProps {
  readonly onSeen: () => void;
  /** Whether coming into sight counts; while the end is followed it does not. */
  readonly isWatching: boolean;
  readonly box: React.RefObject<HTMLDivElement>;
}

/** Asks for earlier entries when it comes into sight; a click does the same. */
function Earlier({ onSeen, isWatching, box }: IEarlierProps): React.ReactElement {
  const button = React.useRef<HTMLButtonElement>(null);
  React.useEffect(() => {
    const observer = new IntersectionObserver(seen => seen.some(one => one.isIntersecting) && onSeen(), {
      root: box.current
    });
    if (button.current && isWatching) {
      observer.observe(button.current);
    }
    return () => observer.disconnect();
  }, [onSeen, isWatching, box]);
  return (
    <button type="button" className="jp-chatd-link" ref={button} onClick={onSeen}>
      Earlier messages
    </button>
  );
}
