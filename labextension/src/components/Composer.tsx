import * as React from 'react';

import { IconButton } from './host.js';

export interface IComposerProps {
  readonly draft: string;
  readonly placeholder: string;
  readonly onDraft: (draft: string) => void;
  /** Sends the text; returns whether it was taken. */
  readonly onSend: (text: string) => Promise<boolean>;
  /** Sends the text and ends what runs; where something may run. */
  readonly onSendNow?: (text: string) => Promise<boolean>;
  /** Stops what runs; where something does. */
  readonly onStop?: (() => void) | undefined;
  /** Brings the cursor here when it changes. */
  readonly inputRequests?: number;
  /** Choices below the input. */
  readonly children?: React.ReactNode;
}

/** The input. Enter sends, Shift+Enter begins a line, Ctrl+Enter sends and interrupts what runs. */
export function Composer(props: IComposerProps): React.ReactElement {
  const { draft, placeholder, onDraft, onSend, onSendNow, onStop, inputRequests, children } = props;
  const input = React.useRef<HTMLTextAreaElement>(null);
  const [isSending, setSending] = React.useState(false);
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new request is what brings the cursor
  React.useEffect(() => input.current?.focus(), [inputRequests]);
  useHeightOf(input, draft);

  const send = async (how: IComposerProps['onSend']) => {
    if (!draft.trim() || isSending) {
      return;
    }
    setSending(true);
    onDraft('');
    if (!(await how(draft))) {
      onDraft(draft);
    }
    setSending(false);
  };
  const onKeyDown = (event: React.KeyboardEvent) => {
    if (event.key === 'Enter' && !event.shiftKey && !event.nativeEvent.isComposing) {
      event.preventDefault();
      void send((event.ctrlKey || event.metaKey) && onSendNow ? onSendNow : onSend);
    }
  };
  return (
    <div className="jp-chatd-composer">
      <textarea
        ref={input}
        rows={1}
        aria-label="Message to the agent"
        placeholder={placeholder}
        value={draft}
        onChange={event => onDraft(event.target.value)}
        onKeyDown={onKeyDown}
      />
      <div className="jp-chatd-composerBar">
        <div className="jp-chatd-choices">{children}</div>
        {onStop && <IconButton icon="stop" label="Stop" className="jp-mod-stop" onClick={onStop} />}
        <IconButton
          icon="send"
          label={onStop ? 'Queue' : 'Send'}
          className="jp-mod-send"
          disabled={!draft.trim() || isSending}
          onClick={() => void send(onSend)}
        />
      </div>
    </div>
  );
}

/** Lets the input grow with what is written, up to what its style allows. */
function useHeightOf(input: React.RefObject<HTMLTextAreaElement>, text: string): void {
  // biome-ignore lint/correctness/useExhaustiveDependencies: the text is what changes the height
  React.useLayoutEffect(() => {
    if (input.current) {
      input.current.style.height = 'auto';
      input.current.style.height = `${input.current.scrollHeight + 2}px`;
    }
  }, [input, text]);
}
