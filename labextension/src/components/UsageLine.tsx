import * as React from 'react';

import type { IMessage, IUsageTotals } from '../client/values.js';
import { shortCost, shortCount } from '../model/text.js';

export interface IUsageLineProps {
  readonly messages: readonly IMessage[];
  readonly usage: IUsageTotals | undefined;
}

/** What the chat used and cost, subagents included, and how full its context is. */
export function UsageLine({ messages, usage }: IUsageLineProps): React.ReactElement | null {
  const context = contextOf(messages);
  if (!usage && !context) {
    return null;
  }
  return (
    <div className="jp-chatd-usage">
      {usage && <span title={breakdown(usage)}>{shortCount(tokensOf(usage))} tokens</span>}
      {usage?.costMicros !== undefined && (
        <span title="What the model calls cost so far">{shortCost(usage.costMicros)}</span>
      )}
      {context && (
        <label title={`${context.used} of ${context.limit} tokens of context`}>
          context{' '}
          <meter min={0} max={1} high={0.7} optimum={0} value={context.used / context.limit}>
            {Math.round((100 * context.used) / context.limit)} %
          </meter>
        </label>
      )}
    </div>
  );
}

function tokensOf({ inputTokens, outputTokens, cacheReadTokens, cacheCreationTokens }: IUsageTotals): number {
  return inputTokens + outputTokens + cacheReadTokens + cacheCreationTokens;
}

function breakdown({
  inputTokens,
  outputTokens,
  cacheReadTokens,
  cacheCreationTokens
}: IUsageTotals): string {
  const cached = cacheReadTokens + cacheCreationTokens;
  return `${inputTokens} in, ${cached} cached, ${outputTokens} out, in this chat and its subagents`;
}

interface IContext {
  readonly used: number;
  readonly limit: number;
}

/**
 * How full the context was at the last model call; `undefined` where the vendor did not say, and after a summary or
 * a clearing until the next answer.
 */
export function contextOf(messages: readonly IMessage[]): IContext | undefined {
  const tells = ({ usage }: IMessage) => Boolean(usage?.contextLimit && usage.inputTokens);
  const last = messages.findLast(message => message.compressed || tells(message));
  const usage = last?.usage;
  if (!usage?.contextLimit || last?.compressed) {
    return undefined;
  }
  const { inputTokens = 0, cacheReadTokens = 0, cacheCreationTokens = 0, outputTokens = 0 } = usage;
  return {
    used: inputTokens + cacheReadTokens + cacheCreationTokens + outputTokens,
    limit: usage.contextLimit
  };
}
