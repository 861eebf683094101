import type * as React from 'react';

import { ChatView, type IViewProps } from './ChatView.js';

/** What a widget's `_view` names. */
export const VIEWS: Readonly<Record<string, React.ComponentType<IViewProps>>> = {
  Chat: ChatView
};
