import * as React from 'react';

import type { IMessage, Part } from '../client/values.js';
import type { ChatModel } from '../model/chat.js';
import { referenceName, textOf } from '../model/content.js';
import { head, shortCount } from '../model/text.js';
import { IconButton } from './host.js';
import { useFileAddress } from './useFileAddress.js';

const SHOWN_CHARACTERS = 10_000;

export interface IUserMessageProps {
  readonly message: IMessage;
  readonly model: ChatModel;
}

/** What the user said; it can be changed and sent again. */
export function UserMessage({ message, model }: IUserMessageProps): React.ReactElement {
  const [draft, setDraft] = React.useState<string>();
  const text = textOf(message.content);
  const resend = async () => {
    if (draft?.trim() && (await model.edit(message, draft))) {
      setDraft(undefined);
    }
  };
  if (draft === undefined) {
    return (
      <div className="jp-chatd-user">
        <div className="jp-chatd-userText">
          <Said text={text} />
          {message.content.map((part, index) => (
            <Attachment key={index} part={part} />
          ))}
        </div>
        <IconButton icon="edit" label="Edit and send again" onClick={() => setDraft(text)} />
      </div>
    );
  }
  return (
    <div className="jp-chatd-user jp-mod-editing">
      <textarea
        aria-label="Edit your message"
        // biome-ignore lint/a11y/noAutofocus: the user has just asked to edit here
        autoFocus
        rows={Math.min(10, draft.split('\n').length + 1)}
        value={draft}
        onChange={event => setDraft(event.target.value)}
        onKeyDown={event => event.key === 'Escape' && setDraft(undefined)}
      />
      <p className="jp-chatd-faint">What followed this message is replaced.</p>
      <div className="jp-chatd-buttons">
        <button type="button" className="jp-chatd-button jp-mod-accept" onClick={() => void resend()}>
          Send again
        </button>
        <button type="button" className="jp-chatd-button" onClick={() => setDraft(undefined)}>
          Cancel
        </button>
      </div>
    </div>
  );
}

/** Text of any length: its beginning first, all of it when somebody asks. */
function Said({ text }: { readonly text: string }): React.ReactElement {
  const [isWhole, showWhole] = React.useState(false);
  const shown = isWhole ? text : head(text, SHOWN_CHARACTERS);
  return (
    <>
      {shown}
      {shown.length < text.length && (
        <button type="button" className="jp-chatd-link" onClick={() => showWhole(true)}>
          Show all {shortCount(text.length)} characters
        </button>
      )}
    </>
  );
}

/** A file of a message: a picture in place, others as a link. */
export function Attachment({ part }: { readonly part: Part }): React.ReactElement | null {
  if (part.type === 'file-reference') {
    return <span className="jp-chatd-chip">{referenceName(part)}</span>;
  }
  if (part.type !== 'file' || part.fileId === undefined) {
    return null;
  }
  return <StoredFile fileId={part.fileId} name={part.name} isPicture={/^image\//.test(part.mediaType)} />;
}

interface IStoredFileProps {
  readonly fileId: string;
  readonly name: string | undefined;
  readonly isPicture: boolean;
}

/** A file of the chat: a picture in place, others as a link. */
export function StoredFile({ fileId, name, isPicture }: IStoredFileProps): React.ReactElement {
  const address = useFileAddress(fileId);
  if (isPicture) {
    return <img className="jp-chatd-image" src={address} alt={name ?? 'Attached picture'} />;
  }
  return (
    <a className="jp-chatd-chip" href={address} target="_blank" rel="noopener noreferrer">
      {name ?? 'File'}
    </a>
  );
}
