import * as React from 'react';

import type { IToolResultPart } from '../client/values.js';
import { tableOf } from '../model/results.js';
import { plainOutput, withUnseen } from '../model/text.js';
import { errorOf, fieldsOf, shown, textField } from '../model/tools.js';
import { Output } from './Output.js';
import { Pictures } from './Pictures.js';
import { Table } from './Table.js';
import type { IToolBodyProps } from './ToolCard.js';

/** What went into a tool and what came out, for tools that have no view of their own. */
export function DefaultBody({ entry: { call, result } }: IToolBodyProps): React.ReactElement {
  const input = call.args === undefined ? call.argsText : shown(call.args);
  return (
    <>
      {input && input !== '{}' && <pre className="jp-chatd-input">{withUnseen(input)}</pre>}
      {result && <Result result={result} />}
    </>
  );
}

function Result({ result: part }: { readonly result: IToolResultPart }): React.ReactElement {
  const { result, output, isMedia } = part;
  const table = tableOf(onlyList(result));
  if (errorOf(part)) {
    return (
      <>
        {output && <Output text={plainOutput(output)} />}
        <p className="jp-chatd-errorText">{errorOf(part)}</p>
      </>
    );
  }
  if (table) {
    return <Table {...table} />;
  }
  const text = textField(result, isMedia ? 'text' : 'content') || textField(result, 'output');
  const rest = isMedia ? '' : shown(result) || plainOutput(output);
  return (
    <>
      <Pictures result={part} />
      {(text || rest) && <Output text={text || rest} follows={result === undefined} />}
    </>
  );
}

/** A list, or the only list among fields that tell about it, such as how long it is. */
function onlyList(result: unknown): unknown {
  const lists = Object.values(fieldsOf(result)).filter(field => Array.isArray(field));
  return Array.isArray(result) ? result : lists.length === 1 ? lists[0] : undefined;
}
