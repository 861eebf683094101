import * as React from 'react';
import type { IToolResultPart } from '../client/values.js';
import { tableOf } from '../model/results.js';
import { plainOutput, withUnseen } from '../model/text.js';
import { errorOf, listField, textField } from '../model/tools.js';
import { DefaultBody } from './DefaultBody.js';
import { Output } from './Output.js';
import { Pictures } from './Pictures.js';
import { Table } from './Table.js';
import type { IToolBodyProps } from './ToolCard.js';

/** Code in a kernel: what was run, what it printed as it comes, its pictures, and where it failed. */
export function CodeBody(props: IToolBodyProps): React.ReactElement {
  const { call, result } = props.entry;
  const code = textField(call.args, 'code');
  const variables = tableOf(listField(result?.result, 'variables'));
  if (variables) {
    return <Table {...variables} />;
  }
  if (call.args === undefined || (!code && result?.result === undefined)) {
    return <DefaultBody {...props} />;
  }
  const given = result?.isMedia ? wordsOf(result) : textField(result?.result, 'output');
  const output = plainOutput(given || result?.output || '');
  const traceback = plainOutput(textField(result?.result, 'traceback'));
  const note = textField(result?.result, 'note');
  return (
    <>
      {code && <pre className="jp-chatd-codeInput">{withUnseen(code)}</pre>}
      {output && <Output text={output} follows={result?.result === undefined} isAligned />}
      <Pictures result={result} />
      {traceback && <Output text={traceback} isAligned />}
      {errorOf(result) && !traceback.includes(errorOf(result)) && (
        <p className="jp-chatd-errorText">{errorOf(result)}</p>
      )}
      {result?.result !== undefined && !output && !result.isMedia && !errorOf(result) && (
        <p className="jp-chatd-faint">No output.</p>
      )}
      {note && <p className="jp-chatd-faint">{note}</p>}
    </>
  );
}

/** What stands beside pictures, without the words that only say where they were. */
function wordsOf({ result }: IToolResultPart): string {
  return textField(result, 'text').replace(/^\[image\/[a-z]+\](\n|$)/gm, '');
}
