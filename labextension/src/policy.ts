import { PageConfig } from '@jupyterlab/coreutils';

/** False where an admin switched the agent off: then the page shows no trace of it. */
export function isEnabled(): boolean {
  return PageConfig.getOption('jupyterChatdEnabled') !== 'false';
}
