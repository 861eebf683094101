import * as React from 'react';

import { isSettled, isStoppable } from '../client/view.js';
import { cellTitle } from '../model/celltools.js';
import type { ChatModel } from '../model/chat.js';
import { endOf, errorOf, isStopped, kindOf, type ToolKind, textField, titleOf } from '../model/tools.js';
import type { CallState, IToolEntry } from '../model/transcript.js';
import { ApprovalBar } from './ApprovalBar.js';
import { AttachBody } from './AttachBody.js';
import { CellBody } from './CellBody.js';
import { CodeBody } from './CodeBody.js';
import { DefaultBody } from './DefaultBody.js';
import { DesktopBody } from './DesktopBody.js';
import { EditBody } from './EditBody.js';
import { type IconName, useHost } from './host.js';
import { PlanBody } from './PlanBody.js';
import { QuestionBody } from './QuestionBody.js';
import { ReadBody } from './ReadBody.js';
import { SearchBody } from './SearchBody.js';
import { ShellBody } from './ShellBody.js';
import { statusWords } from './StatusDot.js';
import { SubagentBody } from './SubagentBody.js';
import { useSubagent } from './Subagents.js';

export interface IToolBodyProps {
  readonly entry: IToolEntry;
  readonly model: ChatModel;
  /** Shows another chat, a subagent's. */
  readonly onOpen: (chatId: string) => void;
}

const BODIES: Readonly<Record<ToolKind, React.ComponentType<IToolBodyProps>>> = {
  shell: ShellBody,
  code: CodeBody,
  search: SearchBody,
  edit: EditBody,
  read: ReadBody,
  attachment: AttachBody,
  subagent: SubagentBody,
  desktop: DesktopBody,
  plan: PlanBody,
  question: QuestionBody,
  cell: CellBody,
  other: DefaultBody
};

const ICONS: Readonly<Record<ToolKind, IconName>> = {
  shell: 'terminal',
  code: 'code',
  search: 'search',
  edit: 'edit',
  read: 'file',
  attachment: 'file',
  subagent: 'agent',
  desktop: 'desktop',
  plan: 'plan',
  question: 'question',
  cell: 'notebook',
  other: 'tool'
};

const STATES: Readonly<Record<CallState, string>> = {
  writing: 'being written',
  running: 'running',
  asking: 'waits for you',
  done: 'done',
  failed: 'failed',
  ended: 'no result'
};

const SHOWN: ReadonlySet<ToolKind> = new Set(['plan', 'question', 'attachment']);

/** What the agent did with one tool: a line, and behind it what went in and what came out. */
export const ToolCard = React.memo(function ToolCard(props: IToolBodyProps): React.ReactElement {
  const { entry, model } = props;
  const { Icon } = useHost();
  const kind = kindOf(entry.call.toolName);
  const [chosen, choose] = React.useState<boolean>();
  const isOpen = chosen ?? opensItself(entry, kind);
  const Body = BODIES[kind];
  const title = kind === 'cell' ? cellTitle(entry.call) : titleOf(entry.call);
  return (
    <div
      className={`jp-chatd-card jp-mod-${entry.state}`}
      data-tool={entry.call.toolName}
      data-state={entry.state}
    >
      <button
        type="button"
        className="jp-chatd-cardHeader"
        aria-expanded={isOpen}
        onClick={() => choose(!isOpen)}
        title={title}
      >
        <Icon name={ICONS[kind]} />
        <span className={`jp-chatd-cardTitle ${kind === 'shell' ? 'jp-mod-code' : ''}`}>{title}</span>
        {entry.call.toolName === 'spawn_agent' && entry.state === 'done' ? (
          <SubagentMark entry={entry} model={model} />
        ) : (
          <StateMark entry={entry} />
        )}
      </button>
      {isOpen && (
        <div className="jp-chatd-cardBody">
          <Body {...props} />
          {entry.action?.kind === 'approval' && <ApprovalBar action={entry.action} model={model} />}
        </div>
      )}
    </div>
  );
});

/** What needs somebody, or shows something while it happens, is open; the rest is a line. */
function opensItself({ state, result, call }: IToolEntry, kind: ToolKind): boolean {
  const hasRecording = textField(result?.result, 'recording_file_id') !== '';
  const isShown = SHOWN.has(kind) || call.toolName === 'spawn_agent' || hasRecording;
  return state === 'asking' || isShown || (state === 'running' && !!result?.output) || !!errorOf(result);
}

function StateMark({ entry: { state, result } }: { readonly entry: IToolEntry }): React.ReactElement {
  return (
    <Mark
      text={endOf(result) || STATES[state]}
      isFaint={isStopped(result)}
      isAtWork={state === 'running' || state === 'writing'}
    />
  );
}

/** A call that made a subagent is done at once: what counts is how that one stands. */
function SubagentMark({ entry, model }: Pick<IToolBodyProps, 'entry' | 'model'>): React.ReactElement {
  const { status } = useSubagent(model, textField(entry.result?.result, 'chat_id'));
  const isAtWork = isStoppable(status) && status !== 'requires_action';
  const text = isSettled(status) || status === undefined ? '' : statusWords(status);
  return <Mark text={text || (status === 'error' ? 'failed' : 'done')} isAtWork={isAtWork} />;
}

interface IMarkProps {
  readonly text: string;
  /** Shown as something that turns; who cannot see it hears the words. */
  readonly isAtWork: boolean;
  /** Nothing to look into. */
  readonly isFaint?: boolean;
}

function Mark({ text, isAtWork, isFaint = false }: IMarkProps): React.ReactElement {
  return (
    <span className={`jp-chatd-state ${isFaint ? 'jp-mod-faint' : ''}`} title={text}>
      {isAtWork && <span className="jp-chatd-spinner" aria-hidden="true" />}
      <span className={isAtWork ? 'jp-chatd-hiddenText' : ''}>{text}</span>
    </span>
  );
}
