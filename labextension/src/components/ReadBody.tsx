import * as React from 'react';

import { delimitedTable } from '../model/results.js';
import { errorOf, numberField, textField } from '../model/tools.js';
import { DefaultBody } from './DefaultBody.js';
import { Output } from './Output.js';
import { Table } from './Table.js';
import type { IToolBodyProps } from './ToolCard.js';

/** A file that was read: its whole path, which lines, and what stands there. */
export function ReadBody(props: IToolBodyProps): React.ReactElement {
  const { call, result } = props.entry;
  const path = textField(call.args, 'path');
  const content = textField(result?.result, 'content');
  if (call.toolName !== 'read_file' || !path || props.entry.state === 'asking') {
    return <DefaultBody {...props} />;
  }
  const first = numberField(call.args, 'offset') ?? 1;
  const count = numberField(result?.result, 'lines_read');
  return (
    <>
      <div className="jp-chatd-path">{path}</div>
      {count !== undefined && (
        <p className="jp-chatd-faint">
          {`Lines ${first}–${first + count - 1} of ${numberField(result?.result, 'total_lines') ?? '?'}`}
        </p>
      )}
      {content && <Content path={path} content={content} isWhole={first === 1} />}
      {errorOf(result) && <p className="jp-chatd-errorText">{errorOf(result)}</p>}
    </>
  );
}

interface IContentProps {
  readonly path: string;
  readonly content: string;
  /** Whether it begins with the file's first line. */
  readonly isWhole: boolean;
}

/** A file's text; of a table, rows and columns. */
function Content({ path, content, isWhole }: IContentProps): React.ReactElement {
  const [, extension] = /\.(csv|tsv)$/i.exec(path) ?? [];
  const table = React.useMemo(() => {
    const text = content.replace(/^ *\d+\t/gm, '');
    return extension && isWhole ? delimitedTable(text, /tsv/i.test(extension) ? '\t' : ',') : undefined;
  }, [content, extension, isWhole]);
  return table ? <Table {...table} /> : <Output text={content} />;
}
