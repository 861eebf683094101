import * as React from 'react';

import type { ChatStatus } from '../client/values.js';

const WORDS: Readonly<Record<string, string>> = {
  pending: 'waits for its turn',
  running: 'works',
  interrupting: 'is being stopped',
  requires_action: 'waits for you',
  waiting: 'at rest',
  error: 'failed'
};

/** Returns how a chat stands, in words. */
export function statusWords(status: ChatStatus | undefined): string {
  return WORDS[status ?? 'waiting'] ?? String(status);
}

/** How a chat stands, as a dot with words for those who cannot see it. */
export function StatusDot({ status }: { readonly status: ChatStatus | undefined }): React.ReactElement {
  const words = statusWords(status);
  return (
    <span
      className={`jp-chatd-dot jp-mod-${status ?? 'waiting'}`}
      role="img"
      aria-label={words}
      title={words}
    />
  );
}
