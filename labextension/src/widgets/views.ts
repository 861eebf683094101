import type * as React from 'react';

import { AgentTreeView } from './AgentTreeView.js';
import { ApprovalView } from './ApprovalView.js';
import { ChatView } from './ChatView.js';
import { ToolCallsView } from './ToolCallsView.js';
import type { IViewProps } from './useChatModel.js';

/** What a widget's `_view` names. */
export const VIEWS: Readonly<Record<string, React.ComponentType<IViewProps>>> = {
  AgentTree: AgentTreeView,
  Approval: ApprovalView,
  Chat: ChatView,
  ToolCalls: ToolCallsView
};
