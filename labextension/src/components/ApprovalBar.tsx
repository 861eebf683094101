import * as React from 'react';

import type { IAction } from '../client/values.js';
import type { ChatModel } from '../model/chat.js';

export interface IApprovalBarProps {
  readonly action: IAction;
  readonly model: ChatModel;
}

/** Asks whether a call may run. Its whole input stands above. */
export function ApprovalBar({ action, model }: IApprovalBarProps): React.ReactElement {
  const [isDeciding, setDeciding] = React.useState(false);
  const decide = (decide: () => Promise<boolean>) => async () => {
    setDeciding(true);
    if (!(await decide())) {
      setDeciding(false);
    }
  };
  return (
    <fieldset className="jp-chatd-approval" disabled={isDeciding}>
      <legend>Allow this call?</legend>
      <button
        type="button"
        className="jp-chatd-button jp-mod-accept"
        onClick={decide(() => model.decide(action, 'once'))}
      >
        Allow once
      </button>
      <button
        type="button"
        className="jp-chatd-button"
        title={`Allow this call, and ask no more about ${action.toolName} in this chat`}
        onClick={decide(() => model.allowTool(action))}
      >
        {`Allow all ${action.toolName} calls in this chat`}
      </button>
      <button
        type="button"
        className="jp-chatd-button jp-mod-warn"
        onClick={decide(() => model.decide(action, 'deny'))}
      >
        Deny
      </button>
    </fieldset>
  );
}
