import * as React from 'react';

import type { ICallKey } from '../client/values.js';
import { openPlanOf } from '../model/plan.js';
import { textField } from '../model/tools.js';
import { DefaultBody } from './DefaultBody.js';
import { useHost } from './host.js';
import { Markdown } from './Markdown.js';
import type { IToolBodyProps } from './ToolCard.js';
import { useChat, useModel } from './useModel.js';

/** A plan, and the decision about it while it is open: carry it out, or say what should be different. */
export function PlanBody(props: IToolBodyProps): React.ReactElement {
  const { entry, model } = props;
  const fileId = textField(entry.result?.result, 'file_id');
  const state = useModel(model);
  const chat = useChat(model.chats, model.id);
  const [isApproving, setApproving] = React.useState(false);
  if (!fileId) {
    return <DefaultBody {...props} />;
  }
  const plan = openPlanOf(state, chat);
  const approve = async (call: ICallKey) => {
    setApproving(true);
    setApproving(await model.approvePlan(call));
  };
  return (
    <>
      <FileText fileId={fileId} />
      {plan?.entry.key === entry.key && (
        <fieldset className="jp-chatd-approval" disabled={isApproving}>
          <legend>Carry out this plan?</legend>
          <button
            type="button"
            className="jp-chatd-button jp-mod-accept"
            onClick={() => void approve(plan.callKey)}
          >
            Approve plan
          </button>
          <button type="button" className="jp-chatd-button" onClick={() => model.askForInput()}>
            Refine
          </button>
        </fieldset>
      )}
    </>
  );
}

function FileText({ fileId }: { readonly fileId: string }): React.ReactElement {
  const host = useHost();
  const [text, setText] = React.useState<string>();
  const [problem, setProblem] = React.useState<string>();
  React.useEffect(() => {
    let isWanted = true;
    host.fileText(fileId).then(
      found => isWanted && setText(found),
      (error: unknown) => isWanted && setProblem(`The plan could not be read: ${error}`)
    );
    return () => {
      isWanted = false;
    };
  }, [host, fileId]);
  if (problem) {
    return <p className="jp-chatd-errorText">{problem}</p>;
  }
  return text === undefined ? <p className="jp-chatd-faint">Reading the plan…</p> : <Markdown text={text} />;
}
