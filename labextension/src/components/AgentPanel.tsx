import * as React from 'react';

import type { PanelModel } from '../model/panel.js';
import { ChatList } from './ChatList.js';
import { EffortPicker, ModelPicker, Modes } from './Choices.js';
import { Composer } from './Composer.js';
import { Conversation } from './Conversation.js';
import { HostProvider, type IHost, usePreferences } from './host.js';
import { Notice } from './Notice.js';
import { OffNotice } from './OffNotice.js';
import { useModel } from './useModel.js';

export interface IAgentPanelProps {
  readonly model: PanelModel;
  readonly host: IHost;
}

/** The whole panel: one chat, or all of them with the input for a new one. */
export function AgentPanel({ model, host }: IAgentPanelProps): React.ReactElement {
  const { chat, catalog, capabilities } = useModel(model);
  return (
    <HostProvider value={host}>
      {chat ? (
        <Conversation
          key={chat.id}
          model={chat}
          catalog={catalog}
          capabilities={capabilities}
          onOpen={id => model.open(id)}
          onClose={() => model.close()}
        />
      ) : (
        <Home model={model} />
      )}
    </HostProvider>
  );
}

function Home({ model }: { readonly model: PanelModel }): React.ReactElement {
  const { catalog, capabilities, options, problem } = useModel(model);
  const { asks, defaultModel } = usePreferences();
  return (
    <div className="jp-chatd-conversation">
      <ChatList model={model} />
      {problem && (
        <Notice kind="error" text={problem} action={{ label: 'Dismiss', run: () => model.forgetProblem() }} />
      )}
      <OffNotice capabilities={capabilities} />
      <Composer
        draft={model.draft}
        placeholder="Ask the agent"
        onSend={content => model.start(content, { asks, model: defaultModel || undefined })}
      >
        <ModelPicker
          catalog={catalog}
          model={options.model ?? (defaultModel || catalog?.defaultModel || '')}
          onModel={chosen => model.setOptions({ model: chosen })}
        />
        <EffortPicker draft={model.draft} />
        <Modes
          planMode={options.planMode ?? false}
          asks={options.asks ?? asks}
          onPlanMode={planMode => model.setOptions({ planMode })}
          onAsks={asks => model.setOptions({ asks })}
        />
      </Composer>
    </div>
  );
}
