import * as React from 'react';

import type { IProvider } from '../client/restapi.js';

export interface IAboutBodyProps {
  /** Version of Jupyter Server. */
  readonly serverVersion: string;
  readonly providers: readonly IProvider[];
}

/** Says what this agent runs on: the server and which models it can reach. */
export function AboutBody({ serverVersion, providers }: IAboutBodyProps): React.ReactElement {
  return (
    <div>
      <p>The agent lives in this Jupyter Server, version {serverVersion}.</p>
      <ul>
        {providers.map(provider => (
          <li key={provider.name}>{availability(provider)}</li>
        ))}
      </ul>
    </div>
  );
}

function availability({ displayName, available, unavailableReason, models }: IProvider): string {
  if (!available) {
    return `${displayName}: not available, ${reasonText(unavailableReason)}`;
  }
  return `${displayName}: ${models.map(model => model.displayName).join(', ') || 'no models'}`;
}

/** A reason from a newer server is shown as it came. */
function reasonText(reason: string | undefined): string {
  switch (reason) {
    case 'missing_api_key':
      return 'no API key is configured';
    case 'fetch_failed':
      return 'its list of models could not be fetched';
    default:
      return reason ?? 'the server gave no reason';
  }
}
