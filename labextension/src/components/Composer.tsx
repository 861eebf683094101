import * as React from 'react';

import type { InputPart } from '../client/chats.js';
import { type Draft, type IAttachment, isLongPaste } from '../model/draft.js';
import { wishOf } from '../model/preferences.js';
import { IconButton, useHost, usePreferences } from './host.js';
import { MentionList, useMentions } from './Mentions.js';
import { useModel } from './useModel.js';

export interface IComposerProps {
  readonly draft: Draft;
  readonly placeholder: string;
  /** Sends; returns whether it was taken. */
  readonly onSend: (content: InputPart[]) => Promise<boolean>;
  /** Sends and ends what runs; where something may run. */
  readonly onSendNow?: (content: InputPart[]) => Promise<boolean>;
  /** Stops what runs; where something does. */
  readonly onStop?: (() => void) | undefined;
  /** Brings the cursor here when it changes. */
  readonly inputRequests?: number;
  /** Choices below the input. */
  readonly children?: React.ReactNode;
}

/** The input. What sends, begins a line, or interrupts what runs, is the user's choice. */
export function Composer(props: IComposerProps): React.ReactElement {
  const { draft, placeholder, onSend, onSendNow, onStop, inputRequests, children } = props;
  const { text, attachments } = useModel(draft);
  const { sendKey } = usePreferences();
  const input = React.useRef<HTMLTextAreaElement>(null);
  const { focusesInput } = useHost();
  React.useEffect(() => {
    if (focusesInput || inputRequests) {
      input.current?.focus();
    }
  }, [focusesInput, inputRequests]);
  useHeightOf(input, text);
  const mentions = useMentions(input, draft);
  const listId = React.useId();
  const isListed = mentions.entries.length > 0;
  const onKeyDown = (event: React.KeyboardEvent) => {
    if (mentions.onKeyDown(event)) {
      return;
    }
    const wish = event.nativeEvent.isComposing ? undefined : wishOf(event, sendKey);
    if (wish) {
      event.preventDefault();
      void draft.hand(wish === 'interrupt' && onSendNow ? onSendNow : onSend);
    }
  };
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: files are dropped here; pasting does the same
    <div
      className="jp-chatd-composer"
      onDragOver={allowFiles}
      onDrop={event => takeFiles(event, event.dataTransfer, draft)}
    >
      <Attachments attachments={attachments} draft={draft} />
      <MentionList mentions={mentions} id={listId} />
      <textarea
        ref={input}
        rows={1}
        aria-autocomplete="list"
        aria-controls={isListed ? listId : undefined}
        aria-activedescendant={isListed ? `${listId}-${mentions.chosen}` : undefined}
        aria-label="Message to the agent"
        placeholder={placeholder}
        value={text}
        onChange={event => {
          draft.setText(event.target.value);
          mentions.look();
        }}
        onClick={mentions.look}
        onBlur={mentions.close}
        onPaste={event => takeFiles(event, event.clipboardData, draft)}
        onKeyDown={onKeyDown}
      />
      <div className="jp-chatd-composerBar">
        <div className="jp-chatd-choices">{children}</div>
        {onStop && <IconButton icon="stop" label="Stop" className="jp-mod-stop" onClick={onStop} />}
        <IconButton
          icon="send"
          label={onStop ? 'Queue' : 'Send'}
          className="jp-mod-send"
          disabled={!draft.isReady}
          onClick={() => void draft.hand(onSend)}
        />
      </div>
    </div>
  );
}

interface IAttachmentsProps {
  readonly attachments: readonly IAttachment[];
  readonly draft: Draft;
}

/** Files that go with the message. */
function Attachments({ attachments, draft }: IAttachmentsProps): React.ReactElement | null {
  if (attachments.length === 0) {
    return null;
  }
  return (
    <ul className="jp-chatd-attachments" aria-label="Attached files">
      {attachments.map(({ key, name, part, problem }) => (
        <li key={key} className={problem ? 'jp-chatd-errorText' : ''}>
          {part === undefined && !problem && (
            <span className="jp-chatd-spinner" aria-label="Uploading" role="img" />
          )}
          <span className="jp-chatd-grow">{problem ? `${name}: ${problem}` : name}</span>
          <IconButton icon="close" label={`Remove ${name}`} onClick={() => draft.remove(key)} />
        </li>
      ))}
    </ul>
  );
}

function allowFiles(event: React.DragEvent): void {
  if (event.dataTransfer.types.includes('Files')) {
    event.preventDefault();
  }
}

/** Attaches what is pasted or dropped, where it is a file or too long to read in the input. */
function takeFiles(event: React.SyntheticEvent, data: DataTransfer, draft: Draft): void {
  const files = [...data.files];
  const text = data.getData('text/plain');
  if (files.length === 0 && !isLongPaste(text)) {
    return;
  }
  event.preventDefault();
  for (const file of files) {
    void draft.attach(file, file.name);
  }
  if (files.length === 0) {
    void draft.attachPaste(text, new Date());
  }
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
