import * as React from 'react';

import type { IToolResultPart } from '../client/values.js';
import { withUnseen } from '../model/text.js';
import { errorOf, shown, textField } from '../model/tools.js';
import { Output } from './Output.js';
import type { IToolBodyProps } from './ToolCard.js';

const PICTURES = /^image\/(png|jpeg|gif|webp)$/;

/** What went into a tool and what came out, for tools that have no view of their own. */
export function DefaultBody({ entry: { call, result } }: IToolBodyProps): React.ReactElement {
  return (
    <>
      <pre className="jp-chatd-input">
        {withUnseen(call.args === undefined ? call.argsText : shown(call.args))}
      </pre>
      {result && <Result result={result} />}
    </>
  );
}

function Result({ result }: { readonly result: IToolResultPart }): React.ReactElement {
  const type = textField(result.result, 'mime_type');
  if (result.isMedia && PICTURES.test(type)) {
    const address = `data:${type};base64,${textField(result.result, 'data')}`;
    return (
      <img className="jp-chatd-image" src={address} alt={textField(result.result, 'text') || 'Result'} />
    );
  }
  if (errorOf(result)) {
    return <p className="jp-chatd-errorText">{errorOf(result)}</p>;
  }
  const text = textField(result.result, 'content') || textField(result.result, 'output');
  return <Output text={text || shown(result.result) || result.output} />;
}
