import * as React from 'react';

import type { Commands } from '../client/values.js';

/** Says that no sandbox confines the agent's commands, or that it runs none; nothing where they are confined. */
export function CommandsNotice({
  commands
}: {
  readonly commands: Commands | undefined;
}): React.ReactElement | null {
  if (commands === 'unconfined') {
    return (
      <Line summary="unconfined: commands run with your rights">
        No sandbox is used here: what you can read, delete or send over the network, a command of the agent
        can too. On Linux, install bubblewrap (Debian and Ubuntu: <code>apt install bubblewrap</code>).
      </Line>
    );
  }
  if (commands === 'refused') {
    return (
      <Line summary="refused: the agent can run no command">
        This server demands a sandbox, and none works here. On Linux, install bubblewrap (Debian and Ubuntu:{' '}
        <code>apt install bubblewrap</code>), or ask whoever runs the server.
      </Line>
    );
  }
  return null;
}

function Line({
  summary,
  children
}: {
  readonly summary: string;
  readonly children: React.ReactNode;
}): React.ReactElement {
  return (
    <details className="jp-chatd-commands">
      <summary title="What does this mean?">{summary}</summary>
      <p>
        {children} <code>jupyter chatd doctor</code> says why there is none.
      </p>
    </details>
  );
}
