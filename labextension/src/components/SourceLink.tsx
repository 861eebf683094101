import * as React from 'react';

export interface ISourceLinkProps {
  readonly url: string;
  readonly title: string | undefined;
}

/** A page that was cited or found; only addresses of the web become links. */
export function SourceLink({ url, title }: ISourceLinkProps): React.ReactElement {
  return /^https?:\/\//i.test(url) && URL.canParse(url) ? (
    <a className="jp-chatd-chip" href={url} title={url} target="_blank" rel="noopener noreferrer">
      {title || url}
    </a>
  ) : (
    <span className="jp-chatd-chip">{title || url}</span>
  );
}
