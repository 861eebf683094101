import * as React from 'react';

import { diffLines, type IDiffLine, withUnseen } from '../model/text.js';
import { errorOf, fileChanges } from '../model/tools.js';
import { DefaultBody } from './DefaultBody.js';
import type { IToolBodyProps } from './ToolCard.js';

const FOLDED_LINES = 400;

/** What a call changes in files, as lines that go and come. */
export function EditBody(props: IToolBodyProps): React.ReactElement {
  const { call, result } = props.entry;
  const changes = fileChanges(call);
  if (call.args === undefined || changes.length === 0) {
    return <DefaultBody {...props} />;
  }
  return (
    <>
      {changes.map((change, index) => (
        <div key={index}>
          <div className="jp-chatd-path">{withUnseen(change.path)}</div>
          {change.edits.map((edit, place) => (
            <Diff
              key={place}
              lines={diffLines(edit.before, edit.after)}
              note={edit.all ? 'everywhere' : ''}
            />
          ))}
        </div>
      ))}
      {errorOf(result) && <p className="jp-chatd-errorText">{errorOf(result)}</p>}
    </>
  );
}

/** Lines that stay, go and come; many of them folded. */
export function Diff({
  lines,
  note
}: {
  readonly lines: readonly IDiffLine[];
  readonly note: string;
}): React.ReactElement {
  const [isWhole, showWhole] = React.useState(lines.length <= FOLDED_LINES);
  const visible = isWhole ? lines : lines.slice(0, FOLDED_LINES);
  return (
    <>
      <pre className="jp-chatd-diff" tabIndex={0}>
        {visible.map((line, index) => (
          <span key={index} className={`jp-chatd-diffLine jp-mod-${NAMES[line.sign]}`}>
            {`${line.sign} ${withUnseen(line.text)}\n`}
          </span>
        ))}
      </pre>
      {note && <p className="jp-chatd-faint">{note}</p>}
      {!isWhole && (
        <button type="button" className="jp-chatd-link" onClick={() => showWhole(true)}>
          Show {lines.length - FOLDED_LINES} more lines
        </button>
      )}
    </>
  );
}

const NAMES = { '+': 'added', '-': 'removed', ' ': 'kept' } as const;
