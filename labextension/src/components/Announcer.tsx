import * as React from 'react';

import type { IChatView } from '../client/view.js';

/** Says to a screen reader how the chat stands, once each time that changes; what is streamed is not read out. */
export function Announcer({ view }: { readonly view: IChatView }): React.ReactElement {
  return (
    <div role="status" className="jp-chatd-hiddenText">
      {sentence(view)}
    </div>
  );
}

function sentence({ status, actions, isComplete }: IChatView): string {
  const [action] = actions;
  switch (isComplete ? status : undefined) {
    case 'pending':
    case 'running':
      return 'The agent works.';
    case 'interrupting':
      return 'The agent is being stopped.';
    case 'requires_action':
      return action ? `The agent waits for you: ${action.toolName}.` : 'The agent waits for you.';
    case 'waiting':
      return 'The agent is done.';
    case 'error':
      return 'The agent could not go on.';
    default:
      return '';
  }
}
