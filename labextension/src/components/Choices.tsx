import * as React from 'react';

import type { ICatalog } from '../client/restapi.js';
import type { Draft } from '../model/draft.js';
import { useModel } from './useModel.js';

export interface IModelPickerProps {
  readonly catalog: ICatalog | undefined;
  /** `provider:model`. */
  readonly model: string;
  readonly onModel: (model: string) => void;
}

/** Chooses the model of a chat. */
export function ModelPicker({ catalog, model, onModel }: IModelPickerProps): React.ReactElement {
  const providers = (catalog?.providers ?? []).filter(({ available }) => available);
  const isListed = providers.some(({ models }) => models.some(({ id }) => id === model));
  return (
    <select
      className="jp-chatd-select"
      aria-label="Model"
      title="Model"
      value={model}
      onChange={event => onModel(event.target.value)}
    >
      {!isListed && <option value={model}>{model || 'Model'}</option>}
      {providers.map(({ name, displayName, models }) => (
        <optgroup key={name} label={displayName}>
          {models.map(({ id, displayName: label }) => (
            <option key={id} value={id}>
              {label}
            </option>
          ))}
        </optgroup>
      ))}
    </select>
  );
}

const EFFORTS = ['', 'none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max'] as const;

/** Chooses how much the model thinks before it answers. */
export function EffortPicker({ draft }: { readonly draft: Draft }): React.ReactElement {
  const { effort } = useModel(draft);
  return (
    <select
      className="jp-chatd-select"
      aria-label="Effort"
      title="How much the model thinks before it answers"
      value={effort}
      onChange={event => draft.setEffort(event.target.value)}
    >
      {EFFORTS.map(word => (
        <option key={word} value={word}>
          {word || 'Effort'}
        </option>
      ))}
    </select>
  );
}

export interface IToggleProps {
  readonly label: string;
  readonly title: string;
  readonly isOn: boolean;
  readonly onToggle: (isOn: boolean) => void;
}

/** A choice that is on or off. */
export function Toggle({ label, title, isOn, onToggle }: IToggleProps): React.ReactElement {
  return (
    <button
      type="button"
      className="jp-chatd-toggle"
      aria-pressed={isOn}
      title={title}
      onClick={() => onToggle(!isOn)}
    >
      {label}
    </button>
  );
}

export interface IModesProps {
  readonly planMode: boolean;
  readonly asks: boolean;
  readonly onPlanMode: (isOn: boolean) => void;
  readonly onAsks: (isOn: boolean) => void;
}

/** How the agent goes about its work. */
export function Modes({ planMode, asks, onPlanMode, onAsks }: IModesProps): React.ReactElement {
  return (
    <>
      <Toggle
        label="Plan"
        title="Plan mode: look, write a plan, change nothing before you approve it"
        isOn={planMode}
        onToggle={onPlanMode}
      />
      <Toggle
        label="Ask"
        title="Ask before commands are run and files are changed"
        isOn={asks}
        onToggle={onAsks}
      />
    </>
  );
}
