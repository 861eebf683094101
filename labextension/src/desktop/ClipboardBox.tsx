import * as React from 'react';

import type { DesktopModel } from './model.js';

export interface IClipboardBoxProps {
  readonly model: DesktopModel;
  /** What was copied on the desktop last. */
  readonly text: string;
}

/** A box through which text passes to and from the desktop, in browsers that let a page do no more. */
export function ClipboardBox({ model, text }: IClipboardBoxProps): React.ReactElement {
  const [draft, setDraft] = React.useState(text);
  React.useEffect(() => setDraft(text), [text]);
  return (
    <div className="jp-chatd-desktopClipboard">
      <textarea
        className="jp-chatd-field"
        rows={3}
        aria-label="Clipboard of the desktop"
        placeholder="What you copy on the desktop appears here. What you write here can be pasted there."
        value={draft}
        onChange={event => setDraft(event.target.value)}
      />
      <button
        type="button"
        className="jp-chatd-button"
        disabled={!draft}
        onClick={() => void model.copy(draft)}
      >
        Put on the desktop's clipboard
      </button>
    </div>
  );
}
