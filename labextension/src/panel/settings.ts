import type { ISettingRegistry } from '@jupyterlab/settingregistry';

import type { Preferences } from '../model/preferences.js';

export type Side = 'left' | 'right';

/** Lets *preferences* follow the settings, and returns the side of the panel; unreadable settings change nothing. */
export async function sideFrom(
  registry: ISettingRegistry | null,
  plugin: string,
  preferences: Preferences
): Promise<Side> {
  try {
    const settings = await registry?.load(plugin);
    preferences.take(settings?.composite ?? {});
    settings?.changed.connect(({ composite }) => preferences.take(composite));
    return settings?.composite.side === 'left' ? 'left' : 'right';
  } catch {
    return 'right'; // JupyterLab itself tells about settings that cannot be read
  }
}
