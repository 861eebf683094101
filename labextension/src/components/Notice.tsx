import * as React from 'react';

export interface INoticeProps {
  readonly kind: 'error' | 'warning';
  readonly text: string;
  /** What somebody may want to know besides. */
  readonly detail?: string | undefined;
  readonly action?: { readonly label: string; run(): void };
}

/** A message about the chat, and what can be done. */
export function Notice({ kind, text, detail, action }: INoticeProps): React.ReactElement {
  return (
    <div className={`jp-chatd-notice jp-mod-${kind}`} role="alert">
      <div className="jp-chatd-grow">
        {text}
        {detail && (
          <details>
            <summary>Details</summary>
            {detail}
          </details>
        )}
      </div>
      {action && (
        <button type="button" className="jp-chatd-button" onClick={action.run}>
          {action.label}
        </button>
      )}
    </div>
  );
}
