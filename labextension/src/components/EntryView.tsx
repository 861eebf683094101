import * as React from 'react';

import type { IReasoningPart } from '../client/values.js';
import type { ChatModel } from '../model/chat.js';
import type { Entry, INoteEntry, Note } from '../model/transcript.js';
import { Markdown } from './Markdown.js';
import { SourceLink } from './SourceLink.js';
import { ToolCard } from './ToolCard.js';
import { Attachment, UserMessage } from './UserMessage.js';

export interface IEntryViewProps {
  readonly entry: Entry;
  readonly model: ChatModel;
  readonly onOpen: (chatId: string) => void;
}

/** One thing that was said or done. */
export const EntryView = React.memo(function EntryView(props: IEntryViewProps): React.ReactElement {
  const { entry, model, onOpen } = props;
  switch (entry.kind) {
    case 'user':
      return <UserMessage message={entry.message} model={model} />;
    case 'text':
      return <Markdown text={entry.text} isLive={entry.isLive} />;
    case 'reasoning':
      return <Reasoning part={entry.part} isLive={entry.isLive} />;
    case 'tool':
      return <ToolCard entry={entry} model={model} onOpen={onOpen} />;
    case 'source':
      return <SourceLink url={entry.part.url} title={entry.part.title} />;
    case 'file':
      return <Attachment part={entry.part} />;
    case 'note':
      return <NoteLine entry={entry} />;
  }
});

/** What the model thought, folded; while it thinks, a line says so. */
function Reasoning({
  part,
  isLive
}: {
  readonly part: IReasoningPart;
  readonly isLive: boolean;
}): React.ReactElement {
  const seconds = secondsOf(part);
  const [isOpen, setOpen] = React.useState(false);
  return (
    <details className="jp-chatd-reasoning" onToggle={event => setOpen(event.currentTarget.open)}>
      <summary>{isLive ? 'Thinking…' : seconds ? `Thought for ${seconds} s` : 'Thoughts'}</summary>
      {isOpen && <Markdown text={part.text} isLive={isLive} />}
    </details>
  );
}

function secondsOf({ createdAt, completedAt }: IReasoningPart): number {
  return createdAt && completedAt ? Math.round((Date.parse(completedAt) - Date.parse(createdAt)) / 1000) : 0;
}

const NOTES: Readonly<Record<Note, string>> = {
  interrupted: 'Stopped.',
  length: 'The answer was cut: it reached the longest that the model gives.',
  content_filter: 'The vendor’s filter ended the answer.',
  summarised: 'What came before was summarised for the model.',
  cleared: 'The model has forgotten what came before.'
};

function NoteLine({ entry: { note, text } }: { readonly entry: INoteEntry }): React.ReactElement {
  if (!text) {
    return <p className="jp-chatd-note">{NOTES[note]}</p>;
  }
  return (
    <details className="jp-chatd-reasoning">
      <summary>{NOTES[note]}</summary>
      <Markdown text={text} />
    </details>
  );
}
