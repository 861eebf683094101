import * as React from 'react';

import type { IAction } from '../client/values.js';
import type { ChatModel } from '../model/chat.js';
import { coverageOf } from '../model/coverage.js';

export interface IApprovalBarProps {
  readonly action: IAction;
  readonly model: ChatModel;
}

/** Asks whether a call may run. Its whole input stands above. */
export function ApprovalBar({ action, model }: IApprovalBarProps): React.ReactElement {
  const [isDeciding, setDeciding] = React.useState(false);
  const coverage = React.useId();
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
        aria-describedby={coverage}
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
      <p id={coverage} className="jp-chatd-faint">
        {`Allow all: ${coverageOf(action.toolName)}.`}
      </p>
    </fieldset>
  );
}
