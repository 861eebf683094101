import * as React from 'react';

import { IconButton } from '../components/host.js';
import { Notice } from '../components/Notice.js';
import { useModel } from '../components/useModel.js';
import { ClipboardBox } from './ClipboardBox.js';
import { shareClipboard } from './clipboard.js';
import { lendKeys, WAY_OUT } from './keys.js';
import type { DesktopModel, IDesktopState } from './model.js';
import type { IScreen } from './screen.js';

export interface IDesktopViewProps {
  readonly model: DesktopModel;
  /** Whether it takes the room that it is given; else it is as high as its width asks for. */
  readonly fills?: boolean;
}

/** The desktop of a chat, live: who uses it, what is on it, and what can be done. */
export function DesktopView({ model, fills = false }: IDesktopViewProps): React.ReactElement {
  const state = useModel(model);
  const [showsClipboard, showClipboard] = React.useState(false);
  const root = React.useRef<HTMLDivElement>(null);
  const bar = React.useRef<HTMLDivElement>(null);
  const { screen, status, problem } = state;
  const ratio = status ? `${status.width} / ${status.height}` : '1280 / 800';
  return (
    <div
      className={`jp-chatd-panel jp-chatd-desktop ${fills ? 'jp-mod-fills' : ''}`}
      ref={root}
      data-phase={state.phase}
    >
      <div className="jp-chatd-desktopBar" ref={bar} tabIndex={-1}>
        <span className="jp-chatd-grow">
          <span role="status">{standing(state)}</span>
          {state.hasControl && (
            <span className="jp-chatd-desktopWayOut">
              {' '}
              {WAY_OUT} leads from the desktop to these buttons.
            </span>
          )}
        </span>
        <Actions model={model} state={state} onReleased={() => bar.current?.focus()} />
        <IconButton
          icon="fit"
          label={state.isFitted ? 'Show each pixel' : 'Fit into the view'}
          disabled={!screen}
          onClick={() => model.fit(!state.isFitted)}
        />
        <IconButton
          icon="clipboard"
          label="Clipboard of the desktop"
          disabled={!state.hasControl}
          onClick={() => showClipboard(!showsClipboard)}
        />
        <IconButton icon="full" label="Full screen" onClick={() => void toggleFullScreen(root.current)} />
      </div>
      {problem && (
        <Notice kind="error" text={problem} action={{ label: 'Dismiss', run: () => model.forgetProblem() }} />
      )}
      {showsClipboard && state.hasControl && <ClipboardBox model={model} text={state.clipboard} />}
      <div className="jp-chatd-desktopArea" style={fills ? undefined : { aspectRatio: ratio }}>
        {screen ? (
          <Screen screen={screen} model={model} leave={() => focusFirst(root.current)} />
        ) : (
          <Nothing model={model} state={state} />
        )}
      </div>
    </div>
  );
}

/** One line that says who uses the desktop. */
function standing({ phase, status, hasControl }: IDesktopState): string {
  if (phase !== 'connected' || !status) {
    return PHASES[phase];
  }
  if (hasControl) {
    return status.agentAtWork ? 'You have control. The agent waits.' : 'You have control.';
  }
  if (status.controlledBy !== undefined) {
    return 'A person has control elsewhere. The agent waits.';
  }
  return status.agentAtWork ? 'The agent is using the desktop.' : 'Nobody is using the desktop.';
}

const PHASES: Readonly<Record<IDesktopState['phase'], string>> = {
  starting: 'The desktop is starting…',
  connected: '',
  reconnecting: 'The connection is lost. It is tried again…',
  stopped: 'The desktop is off.',
  refused: 'The desktop is not available.'
};

interface IPartProps {
  readonly model: DesktopModel;
  readonly state: IDesktopState;
}

interface IActionsProps extends IPartProps {
  /** The button that was pressed goes: the focus needs another place. */
  readonly onReleased: () => void;
}

function Actions({ model, state, onReleased }: IActionsProps): React.ReactElement | null {
  const { phase, status, hasControl } = state;
  if (phase !== 'connected' || !status?.canControl) {
    return null;
  }
  return (
    <>
      {!hasControl && (
        <ActionButton
          label="Take control"
          explanation="Use mouse and keyboard yourself; meanwhile the agent waits"
          onClick={() => void model.take()}
        />
      )}
      {status.controlledBy !== undefined && (
        <ActionButton
          label="Give back"
          explanation="The agent sees the screen as you leave it, and goes on"
          isMain
          onClick={() => {
            onReleased();
            void model.release();
          }}
        />
      )}
    </>
  );
}

interface IActionProps {
  readonly label: string;
  readonly explanation: string;
  /** What is likely to be wanted. */
  readonly isMain?: boolean;
  readonly onClick: () => void;
}

function ActionButton({ label, explanation, isMain = false, onClick }: IActionProps): React.ReactElement {
  const className = `jp-chatd-button ${isMain ? 'jp-mod-accept' : ''}`;
  return (
    <button type="button" className={className} title={explanation} onClick={onClick}>
      {label}
    </button>
  );
}

/** What stands where the desktop would be. */
function Nothing({ model, state: { phase, reason, status } }: IPartProps): React.ReactElement {
  return (
    <div className="jp-chatd-desktopNothing">
      <p>{phase === 'stopped' ? 'It starts when the agent uses it, or when you do.' : PHASES[phase]}</p>
      {reason && <p className="jp-chatd-errorText">{reason}</p>}
      {phase === 'stopped' && status?.canControl && (
        <button type="button" className="jp-chatd-button jp-mod-accept" onClick={() => void model.start()}>
          Start the desktop
        </button>
      )}
      {(phase === 'refused' || phase === 'reconnecting') && (
        <button type="button" className="jp-chatd-button" onClick={() => model.retryNow()}>
          Try now
        </button>
      )}
    </div>
  );
}

interface IScreenProps {
  readonly screen: IScreen;
  readonly model: DesktopModel;
  /** Brings who is at the desktop by keyboard back to the page. */
  readonly leave: () => void;
}

/** Puts the element that shows the desktop into the page. */
function Screen({ screen, model, leave }: IScreenProps): React.ReactElement {
  const area = React.useRef<HTMLDivElement>(null);
  const leaving = React.useRef(leave);
  leaving.current = leave;
  React.useLayoutEffect(() => {
    const place = area.current;
    if (!place) {
      return undefined;
    }
    place.append(screen.node);
    if (!screen.viewOnly) {
      screen.focus();
    }
    const endSharing = shareClipboard(place, model);
    const endLending = lendKeys(place, () => leaving.current());
    return () => {
      endSharing();
      endLending();
    };
  }, [screen, model]);
  return <div className="jp-chatd-desktopScreen" ref={area} />;
}

/** Goes to the first button, which is "Give back" for who has control. */
function focusFirst(root: HTMLElement | null): void {
  root?.querySelector<HTMLElement>('.jp-chatd-desktopBar button')?.focus();
}

async function toggleFullScreen(node: HTMLElement | null): Promise<void> {
  await (document.fullscreenElement === null ? node?.requestFullscreen() : document.exitFullscreen());
}
