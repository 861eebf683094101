import * as React from 'react';

import type { IQueuedMessage, Part } from '../client/values.js';
import type { ChatModel } from '../model/chat.js';
import { filesOf, textOf } from '../model/content.js';
import { head } from '../model/text.js';
import { IconButton } from './host.js';

const SHOWN_CHARACTERS = 300; // one line has room for fewer

export interface IQueueProps {
  readonly queue: readonly IQueuedMessage[];
  readonly model: ChatModel;
}

/** Messages that wait for the turn to end. */
export function Queue({ queue, model }: IQueueProps): React.ReactElement | null {
  if (queue.length === 0) {
    return null;
  }
  return (
    <ul className="jp-chatd-queue" aria-label="Queued messages">
      {queue.map(queued => (
        <li key={queued.id}>
          <Waiting content={queued.content} />
          <IconButton icon="send" label="Send now" onClick={() => void model.sendNow(queued)} />
          <IconButton icon="edit" label="Edit" onClick={() => void model.editQueued(queued)} />
          <IconButton icon="close" label="Remove" onClick={() => void model.removeQueued(queued)} />
        </li>
      ))}
    </ul>
  );
}

/** The beginning of a message, and how many files it has. */
function Waiting({ content }: { readonly content: readonly Part[] }): React.ReactElement {
  const text = head(textOf(content), SHOWN_CHARACTERS);
  const count = filesOf(content).length;
  const files = count === 1 ? '1 file' : `${count} files`;
  return (
    <>
      <span className="jp-chatd-grow">{text || files}</span>
      {text && count > 0 && <span className="jp-chatd-state">{`+ ${files}`}</span>}
    </>
  );
}
