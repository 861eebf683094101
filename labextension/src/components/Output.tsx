import * as React from 'react';

import { tail } from '../model/text.js';

const SHOWN_LINES = 300;

export interface IOutputProps {
  readonly text: string;
  /** Keeps the end in sight while text comes. */
  readonly follows?: boolean;
  /** Whether lines stay whole: columns stand below each other. */
  readonly isAligned?: boolean;
}

/** Text of any length in a box that scrolls: its end first, all of it when somebody asks. */
export function Output({ text, follows = false, isAligned = false }: IOutputProps): React.ReactElement {
  const [isWhole, showWhole] = React.useState(false);
  const box = React.useRef<HTMLPreElement>(null);
  const end = React.useMemo(() => tail(text, SHOWN_LINES), [text]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: more text is what moves the end
  React.useLayoutEffect(() => {
    if (follows && box.current) {
      box.current.scrollTop = box.current.scrollHeight;
    }
  }, [text, follows]);
  return (
    <>
      {end.leftOut > 0 && !isWhole && (
        <button type="button" className="jp-chatd-link" onClick={() => showWhole(true)}>
          Show {end.leftOut} earlier lines
        </button>
      )}
      <pre className={`jp-chatd-output ${isAligned ? 'jp-mod-aligned' : ''}`} ref={box} tabIndex={0}>
        {isWhole ? text : end.text}
      </pre>
    </>
  );
}
