import type * as React from 'react';

import { AgentTreeView } from './AgentTreeView.js';
import { ApprovalView } from './ApprovalView.js';
import { ChatView } from './ChatView.js';
import { DesktopCell } from './DesktopCell.js';
import { ToolCallsView } from './ToolCallsView.js';
import type { IWidgetViewProps } from './useChatModel.js';

/** What a widget's `_view` names. */
export const VIEWS: Readonly<Record<string, React.ComponentType<IWidgetViewProps>>> = {
  AgentTree: AgentTreeView,
  Approval: ApprovalView,
  Chat: ChatView,
  Desktop: DesktopCell,
  ToolCalls: ToolCallsView
};
