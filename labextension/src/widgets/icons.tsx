import * as React from 'react';

import type { IconName } from '../components/host.js';

/** Drawn on 24 by 24. Where a cell is shown, JupyterLab's own icons may not be there. */
const PATHS: Readonly<Record<IconName, string>> = {
  add: 'M19 13h-6v6h-2v-6H5v-2h6V5h2v6h6z',
  agent:
    'M9 11a4 4 0 1 0 0-8 4 4 0 0 0 0 8zm0 2c-3 0-8 1.5-8 4.5V20h16v-2.5C17 14.5 12 13 9 13zm8-2a3.5 3.5 0 1 0-1.6-6.6 6 ' +
    '6 0 0 1 0 6.2A3.5 3.5 0 0 0 17 11zm2 9h4v-2c0-2.4-2.8-3.9-5.6-4.3 1 .9 1.6 2 1.6 3.3z',
  archive: 'M3 4h18v4H3zm1 5.5h16V20H4zM9 12v2h6v-2z',
  back: 'M15.5 5 8.5 12l7 7z',
  beside: 'M19 19H5V5h6V3H3v18h18v-8h-2zM14 3v2h3.6l-9.3 9.3 1.4 1.4L19 6.4V10h2V3z',
  clipboard:
    'M19 3h-4.2a3 3 0 0 0-5.6 0H5a2 2 0 0 0-2 2v14c0 1.1.9 2 2 2h14a2 2 0 0 0 2-2V5a2 2 0 0 0-2-2zm-7 0a1 1 0 1 1 0 2 1 1 0 0 1 0-2zm7 16H5V5h2v3h10V5h2z',
  close: 'm19 6.4-1.4-1.4L12 10.6 6.4 5 5 6.4 10.6 12 5 17.6 6.4 19 12 13.4 17.6 19 19 17.6 13.4 12z',
  code: 'M9.4 16.6 4.8 12l4.6-4.6L8 6l-6 6 6 6zm5.2 0 4.6-4.6-4.6-4.6L16 6l6 6-6 6z',
  desktop: 'M3 3h18v14h-8v2h3v2H8v-2h3v-2H3zm2 2v10h14V5z',
  down: 'm5 8.5 7 7 7-7z',
  edit: 'M3 17.25V21h3.75L17.8 9.94l-3.75-3.75zM20.7 7a1 1 0 0 0 0-1.4l-2.3-2.3a1 1 0 0 0-1.4 0l-1.8 1.8 3.7 3.7z',
  file: 'M6 2h8l6 6v14H6a2 2 0 0 1-2-2V4c0-1.1.9-2 2-2zm7 1.5V9h5.5z',
  fit: 'M3 5h18v14H3zm2 2v10h14V7zm2 5 3-3v2h4V9l3 3-3 3v-2h-4v2z',
  full: 'M7 14H5v5h5v-2H7zm-2-4h2V7h3V5H5zm12 7h-3v2h5v-5h-2zM14 5v2h3v3h2V5z',
  notebook: 'M5 3h14v18H5zm3 2v14h9V5zm2 3h5v2h-5zm0 4h5v2h-5z',
  pin: 'M8 3h8v2l-1.2.8.7 5.2 2.5 2.5V15h-5v6l-1 1-1-1v-6H6v-1.5L8.5 11l.7-5.2L8 5z',
  plan: 'M3 5h3v3H3zm5 0h13v3H8zM3 10.5h3v3H3zm5 0h13v3H8zM3 16h3v3H3zm5 0h13v3H8z',
  question:
    'M12 2a10 10 0 1 0 0 20 10 10 0 0 0 0-20zm1 17h-2v-2h2zm2.1-7.7-.9.9c-.8.7-1.2 1.3-1.2 2.8h-2v-.5c0-1.1.4-2.1 ' +
    '1.2-2.8l1.2-1.3a2 2 0 1 0-3.4-1.4H8a4 4 0 1 1 7.1 2.3z',
  restore: 'M12.5 8c-2.6 0-5 1-6.9 2.6L2 7v9h9l-3.6-3.6A8 8 0 0 1 20 16l2.4-.8A10.5 10.5 0 0 0 12.5 8z',
  search:
    'M15.5 14h-.8l-.3-.3a6.5 6.5 0 1 0-.7.7l.3.3v.8l5 5 1.5-1.5zm-6 0a4.5 4.5 0 1 1 0-9 4.5 4.5 0 0 1 0 9z',
  send: 'M3 20.5 21.5 12 3 3.5v6.6L15 12 3 13.9z',
  stop: 'M6 6h12v12H6z',
  terminal: 'M3 4h18v16H3zm2 2v12h14V6zm1.5 2.5L8 7l4 4-4 4-1.5-1.5L9 11zM12 14h6v2h-6z',
  tool:
    'M22.7 19 13.6 9.9c.9-2.3.4-5-1.5-6.9-2-2-5-2.4-7.4-1.3L9 6 6 9 1.6 4.7C.4 7.1.9 10.1 2.9 12.1c1.9 1.9 4.6 2.4 ' +
    '6.9 1.5l9.1 9.1c.4.4 1 .4 1.4 0l2.3-2.3c.5-.4.5-1.1.1-1.4z'
};

/** An icon in the colour of the text. */
export function Icon({ name }: { readonly name: IconName }): React.ReactElement {
  return (
    <span className="jp-chatd-icon">
      <svg viewBox="0 0 24 24" width="16" height="16" aria-hidden="true">
        <path fill="currentColor" d={PATHS[name]} />
      </svg>
    </span>
  );
}
