/** The calls of the REST API that concern the desktop of a chat: stateless, checked, and free of JupyterLab. */

import { asBoolean, asNumber, asObject, asOneOf, asString, optional } from './decode.js';
import { CHATS, type Fetch, getJSON, requestJSON } from './restapi.js';

export const DESKTOP_STATES = ['stopped', 'starting', 'running', 'failed'] as const;

export type DesktopState = (typeof DESKTOP_STATES)[number];

/** How the desktop of a chat and its subagents stands. */
export interface IDesktopStatus {
  readonly state: DesktopState;
  /** Pixels. */
  readonly width: number;
  readonly height: number;
  /** Why it failed, crashed, or cannot start. */
  readonly problem: string | undefined;
  /** Whether we may use it; else we may look. */
  readonly canControl: boolean;
  /** Who has taken it; meanwhile the agent waits. */
  readonly controlledBy: string | undefined;
  /** Whether a subagent is at work on it, or waits for the one who has taken it. */
  readonly agentAtWork: boolean;
}

/** Desktops of one server. Every method throws as those of `ChatAPI`. */
export class DesktopAPI {
  constructor(private readonly fetch: Fetch) {}

  async status(chatId: string): Promise<IDesktopStatus> {
    return decodeDesktop(await getJSON(this.fetch, desktopPath(chatId)), 'the reply');
  }

  /** Starts it unless it runs. */
  start(chatId: string): Promise<IDesktopStatus> {
    return this.post(chatId, 'start');
  }

  /** Stops it and all programs on it. */
  stop(chatId: string): Promise<IDesktopStatus> {
    return this.post(chatId, 'stop');
  }

  /** Makes the agent wait until `release`; starts the desktop when it does not run. */
  take(chatId: string): Promise<IDesktopStatus> {
    return this.post(chatId, 'take');
  }

  /** Lets the agent go on. */
  release(chatId: string): Promise<IDesktopStatus> {
    return this.post(chatId, 'release');
  }

  private async post(chatId: string, what: string): Promise<IDesktopStatus> {
    const path = `${desktopPath(chatId)}/${what}`;
    return decodeDesktop(await requestJSON(this.fetch, 'POST', path, {}), 'the reply');
  }
}

/** Returns where the live view is; it does not start a desktop, which whoever connects again must not do. */
export function livePath(chatId: string, { viewOnly }: { readonly viewOnly: boolean }): string {
  return `${desktopPath(chatId)}?start=false&view_only=${viewOnly}`;
}

function desktopPath(chatId: string): string {
  return `${CHATS}/${encodeURIComponent(chatId)}/desktop`;
}

function decodeDesktop(value: unknown, at: string): IDesktopStatus {
  const fields = asObject(value, at);
  return {
    state: asOneOf(fields.state, `${at}.state`, DESKTOP_STATES),
    width: asNumber(fields.width, `${at}.width`),
    height: asNumber(fields.height, `${at}.height`),
    problem: optional(fields.problem, `${at}.problem`, asString),
    canControl: asBoolean(fields.can_control, `${at}.can_control`),
    controlledBy: optional(fields.controlled_by, `${at}.controlled_by`, asString),
    agentAtWork: asBoolean(fields.agent_at_work, `${at}.agent_at_work`)
  };
}
