import * as React from 'react';

import { plainOutput, withUnseen } from '../model/text.js';
import { errorOf, fieldsOf, shown, textField } from '../model/tools.js';
import { Output } from './Output.js';
import type { IToolBodyProps } from './ToolCard.js';

/** A command with its options, its output as it comes, and how it ended. */
export function ShellBody({ entry: { call, result } }: IToolBodyProps): React.ReactElement {
  const { command, ...options } = fieldsOf(call.args);
  const output = plainOutput(textField(result?.result, 'output') || result?.output || '');
  const ended = result?.result !== undefined;
  const hasOptions = Object.keys(options).length > 0;
  return (
    <>
      {typeof command === 'string' && <pre className="jp-chatd-command">{withUnseen(command)}</pre>}
      {hasOptions && <pre className="jp-chatd-input">{withUnseen(shown(options))}</pre>}
      {output && <Output text={output} follows={!ended} />}
      {ended && !output && !errorOf(result) && <Rest result={result?.result} />}
      {errorOf(result) && <p className="jp-chatd-errorText">{errorOf(result)}</p>}
      {textField(result?.result, 'note') && (
        <p className="jp-chatd-faint">{textField(result?.result, 'note')}</p>
      )}
    </>
  );
}

/** A command without output says so; the result of other tools of the shell is shown as it is. */
function Rest({ result }: { readonly result: unknown }): React.ReactElement {
  return fieldsOf(result).exit_code === 0 ? (
    <p className="jp-chatd-faint">No output.</p>
  ) : (
    <Output text={shown(result)} />
  );
}
