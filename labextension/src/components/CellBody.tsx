import * as React from 'react';

import type { IToolCallPart } from '../client/values.js';
import {
  cellDiffs,
  cellOfResult,
  cellOutputs,
  doneWords,
  namedCells,
  picturesOf,
  resultFields
} from '../model/celltools.js';
import { diffLines, withUnseen } from '../model/text.js';
import { errorOf, type Fields, shown, textField } from '../model/tools.js';
import type { CallState } from '../model/transcript.js';
import { DefaultBody } from './DefaultBody.js';
import { Diff } from './EditBody.js';
import { useHost } from './host.js';
import { Output } from './Output.js';
import type { IToolBodyProps } from './ToolCard.js';

/** What a call does to cells of a notebook, what they gave, and the way to them. */
export function CellBody(props: IToolBodyProps): React.ReactElement {
  const { call, result, state } = props.entry;
  if (call.args === undefined || typeof call.args !== 'object') {
    return <DefaultBody {...props} />;
  }
  const fields = resultFields(result);
  const diffs = cellDiffs(call, fields);
  const outputs = cellOutputs(fields);
  const pictures = picturesOf(result);
  const lines = [doneWords(fields), textField(fields, 'note')].filter(Boolean);
  const isTold =
    doneWords(fields) !== '' ||
    diffs.length > 0 ||
    outputs.length > 0 ||
    pictures.length > 0 ||
    errorOf(result) !== '';
  return (
    <>
      <Place call={call} fields={fields} chatId={props.model.id} />
      {call.toolName === 'run_cells' && <Sources call={call} state={state} chatId={props.model.id} />}
      {diffs.map(({ before, after }, index) => (
        <Diff key={index} lines={diffLines(before, after)} note="" />
      ))}
      {outputs.map(({ cell, number, text }) => (
        <React.Fragment key={cell}>
          {outputs.length > 1 && <p className="jp-chatd-faint">{`Cell ${number ?? cell}`}</p>}
          <Output text={text} />
        </React.Fragment>
      ))}
      {pictures.map((address, index) => (
        <img key={index} className="jp-chatd-image" src={address} alt={`Output ${index + 1}`} />
      ))}
      {errorOf(result) && <p className="jp-chatd-errorText">{errorOf(result)}</p>}
      {lines.map(line => (
        <p key={line} className="jp-chatd-faint">
          {line}
        </p>
      ))}
      {!isTold && result?.result !== undefined && <Output text={shown(result.result)} />}
    </>
  );
}

interface ICellProps {
  readonly call: IToolCallPart;
  readonly chatId: string;
}

/** The notebook, and a link to the cell. */
function Place({
  call,
  chatId,
  fields
}: ICellProps & { readonly fields: Fields }): React.ReactElement | null {
  const cells = useHost().cells?.();
  const path = textField(fields, 'path') || textField(call.args, 'path');
  const cell = call.toolName === 'delete_cell' ? undefined : cellOfResult(call, fields);
  if (!path && !cell) {
    return null;
  }
  return (
    <div className="jp-chatd-place">
      <span className="jp-chatd-path">{withUnseen(path)}</span>
      {cells && cell !== undefined && (
        <button
          type="button"
          className="jp-chatd-link"
          onClick={() => cells.show(chatId, path || undefined, cell)}
        >
          Show cell
        </button>
      )}
    </div>
  );
}

/** What would run: who allows it must have read it. */
function Sources({
  call,
  chatId,
  state
}: ICellProps & { readonly state: CallState }): React.ReactElement | null {
  const cells = useHost().cells?.();
  if (state !== 'asking' || !cells) {
    return null;
  }
  const path = textField(call.args, 'path') || undefined;
  return (
    <>
      {namedCells(call.args).map((cell, index) => (
        <pre key={index} className="jp-chatd-input">
          {withUnseen(
            cells.source(chatId, path, cell) ?? `Cell ${cell} is in no notebook that is open here.`
          )}
        </pre>
      ))}
    </>
  );
}
