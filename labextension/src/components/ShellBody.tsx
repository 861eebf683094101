import * as React from 'react';

import { plainOutput, withUnseen } from '../model/text.js';
import { commandOptions, errorOf, fieldsOf, isStopped, shown, textField } from '../model/tools.js';
import { Output } from './Output.js';
import type { IToolBodyProps } from './ToolCard.js';

/** A command with its options, its output as it comes, and how it ended. */
export function ShellBody({ entry: { call, result } }: IToolBodyProps): React.ReactElement {
  const { command } = fieldsOf(call.args);
  const { words, others } = commandOptions(call.args);
  const output = plainOutput(textField(result?.result, 'output') || result?.output || '');
  const ended = result?.result !== undefined;
  const error = errorOf(result);
  return (
    <>
      {typeof command === 'string' && <pre className="jp-chatd-command">{withUnseen(command)}</pre>}
      {words.length > 0 && <p className="jp-chatd-faint">{withUnseen(words.join(', '))}</p>}
      {Object.keys(others).length > 0 && <pre className="jp-chatd-input">{withUnseen(shown(others))}</pre>}
      {output && <Output text={output} follows={!ended} />}
      {ended && !output && !error && <Rest result={result?.result} />}
      {error && <p className={isStopped(result) ? 'jp-chatd-faint' : 'jp-chatd-errorText'}>{error}</p>}
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
