import * as React from 'react';

import { pagesOf } from '../model/results.js';
import { DefaultBody } from './DefaultBody.js';
import { SourceLink } from './SourceLink.js';
import type { IToolBodyProps } from './ToolCard.js';

/** The pages that a search on the web has found. */
export function SearchBody(props: IToolBodyProps): React.ReactElement {
  const { result } = props.entry;
  const pages = React.useMemo(() => pagesOf(result?.result), [result]);
  if (pages.length === 0) {
    return <DefaultBody {...props} />;
  }
  return (
    <ul className="jp-chatd-pages">
      {pages.map(({ url, title }) => (
        <li key={url}>
          <SourceLink url={url} title={title} /> <span className="jp-chatd-faint">{new URL(url).host}</span>
        </li>
      ))}
    </ul>
  );
}
