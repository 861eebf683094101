import * as React from 'react';

import type { ICapability } from '../client/values.js';

const WORDS: Readonly<Record<string, string>> = {
  shell: 'run commands or code',
  file_writes: 'change files',
  subagents: 'use subagents',
  desktop: 'use a desktop',
  mcp: 'use MCP servers',
  workspaces: 'use workspaces'
};

/** Says what the agent cannot do here because somebody switched it off; nothing where it can do everything. */
export function OffNotice({
  capabilities
}: {
  readonly capabilities: readonly ICapability[];
}): React.ReactElement | null {
  const off = capabilities.filter(({ name, isEnabled }) => !isEnabled && WORDS[name]);
  if (off.length === 0) {
    return null;
  }
  const words = off.map(({ name }) => WORDS[name]).join(', ');
  return (
    <p className="jp-chatd-off">
      {`The agent may not ${words}: `}
      {off.every(({ isForced }) => isForced)
        ? 'whoever runs this server switched that off.'
        : 'that is switched off.'}
    </p>
  );
}
