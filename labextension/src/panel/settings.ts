import type { ISettingRegistry } from '@jupyterlab/settingregistry';

export type Side = 'left' | 'right';

/** Returns the side that the user wants the panel on; without settings, or unreadable ones, the right one. */
export async function sideFrom(settings: ISettingRegistry | null, plugin: string): Promise<Side> {
  try {
    return (await settings?.get(plugin, 'side'))?.composite === 'left' ? 'left' : 'right';
  } catch {
    return 'right'; // JupyterLab itself tells about settings that cannot be read
  }
}
