import * as React from 'react';

import type { ChatModel } from '../model/chat.js';
import { type Fields, fieldsOf, listField, textField } from '../model/tools.js';
import { DefaultBody } from './DefaultBody.js';
import { WatchButton } from './DesktopBody.js';
import { useHost } from './host.js';
import { Markdown } from './Markdown.js';
import { SubagentRow } from './Subagents.js';
import type { IToolBodyProps } from './ToolCard.js';

/** Subagents that a call made, waited for or spoke to: how they stand, the way to them, and what they report. */
export function SubagentBody(props: IToolBodyProps): React.ReactElement {
  const { entry, model, onOpen } = props;
  const told = subagentsOf(entry.call.args, entry.result?.result);
  if (entry.state === 'asking' || told.length === 0) {
    return <DefaultBody {...props} />;
  }
  const said = textField(entry.call.args, 'prompt') || textField(entry.call.args, 'message');
  return (
    <>
      {told.map(one => (
        <Told key={textField(one, 'chat_id')} told={one} model={model} onOpen={onOpen} />
      ))}
      {textField(entry.call.args, 'type') === 'computer_use' && <WatchButton chatId={model.id} />}
      {said && <p className="jp-chatd-faint">{said}</p>}
      {textField(entry.result?.result, 'error') && (
        <p className="jp-chatd-errorText">{textField(entry.result?.result, 'error')}</p>
      )}
    </>
  );
}

interface IToldProps {
  readonly told: Fields;
  readonly model: ChatModel;
  readonly onOpen: (chatId: string) => void;
}

function Told({ told, model, onOpen }: IToldProps): React.ReactElement {
  const report = textField(told, 'report');
  const recording = textField(told, 'recording_file_id');
  return (
    <>
      <SubagentRow
        chatId={textField(told, 'chat_id')}
        title={textField(told, 'title')}
        model={model}
        onOpen={onOpen}
      />
      {report && <Markdown text={report} />}
      {recording && <Recording fileId={recording} thumbnailId={textField(told, 'thumbnail_file_id')} />}
    </>
  );
}

interface IRecordingProps {
  readonly fileId: string;
  /** May be empty. */
  readonly thumbnailId: string;
}

/** What a subagent did on the desktop, to be played; nothing of the video is loaded before. */
function Recording({ fileId, thumbnailId }: IRecordingProps): React.ReactElement {
  const host = useHost();
  return (
    // biome-ignore lint/a11y/useMediaCaption: a desktop has no sound
    <video
      className="jp-chatd-video"
      aria-label="Recording of the desktop"
      controls
      preload={thumbnailId ? 'none' : 'metadata'}
      poster={thumbnailId ? host.fileURL(thumbnailId) : undefined}
      src={host.fileURL(fileId)}
    />
  );
}

/** What is told of each subagent: in the result, or, while there is none, their ids in the arguments. */
function subagentsOf(args: unknown, result: unknown): Fields[] {
  const told = [...listField(result, 'agents'), ...listField(result, 'not_ended')].map(fieldsOf);
  if (told.length > 0) {
    return told;
  }
  if (textField(result, 'chat_id')) {
    return [fieldsOf(result)];
  }
  const ids = [textField(args, 'chat_id'), ...listField(args, 'chat_ids')];
  return ids.flatMap(id => (typeof id === 'string' && id ? [{ chat_id: id }] : []));
}
