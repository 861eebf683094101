import * as React from 'react';

import type { ChatStatus } from '../client/values.js';
import { fieldsOf, textField } from '../model/tools.js';
import { DefaultBody } from './DefaultBody.js';
import { Markdown } from './Markdown.js';
import { StatusDot } from './StatusDot.js';
import type { IToolBodyProps } from './ToolCard.js';
import { useChat } from './useModel.js';

/** A subagent: how it stands, the way to its chat, and what it reports. */
export function SubagentBody(props: IToolBodyProps): React.ReactElement {
  const { entry, model, onOpen } = props;
  const { call, result } = entry;
  const chatId = textField(result?.result, 'chat_id') || textField(call.args, 'chat_id');
  const child = useChat(model.chats, chatId);
  const report = textField(result?.result, 'report');
  if (entry.state === 'asking' || !chatId) {
    return <DefaultBody {...props} />;
  }
  return (
    <>
      <div className="jp-chatd-subagent">
        <StatusDot status={child?.status ?? (textField(result?.result, 'status') as ChatStatus)} />
        <span className="jp-chatd-grow">{child?.title ?? textField(result?.result, 'title')}</span>
        <button type="button" className="jp-chatd-link" onClick={() => onOpen(chatId)}>
          Open
        </button>
      </div>
      {call.toolName === 'spawn_agent' && <p className="jp-chatd-faint">{textField(call.args, 'prompt')}</p>}
      {call.toolName === 'message_agent' && (
        <p className="jp-chatd-faint">{String(fieldsOf(call.args).message ?? '')}</p>
      )}
      {report && <Markdown text={report} />}
    </>
  );
}
