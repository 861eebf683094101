import type { ICallKey, IChat } from '../client/values.js';
import { isSettled } from '../client/view.js';
import type { IChatState } from './chat.js';
import { kindOf, textField } from './tools.js';
import type { IToolEntry } from './transcript.js';

/** A plan about which somebody is to decide. */
export interface IOpenPlan {
  readonly entry: IToolEntry;
  readonly callKey: ICallKey;
}

/** Returns the plan with which a chat ends that is still in plan mode. */
export function openPlanOf(
  { entries, view }: Pick<IChatState, 'entries' | 'view'>,
  chat: IChat | undefined
): IOpenPlan | undefined {
  const entry = entries.findLast(one => one.kind === 'tool' || one.kind === 'user');
  if (!chat?.planMode || !isSettled(view.status) || entry?.kind !== 'tool') {
    return undefined;
  }
  const { call, callKey, result } = entry;
  const isPlan = kindOf(call.toolName) === 'plan' && textField(result?.result, 'file_id') !== '';
  return isPlan && callKey ? { entry, callKey } : undefined;
}
