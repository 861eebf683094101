import {
  addIcon,
  caretDownIcon,
  caretLeftIcon,
  closeIcon,
  codeIcon,
  copyIcon,
  editIcon,
  fileIcon,
  infoIcon,
  LabIcon,
  launchIcon,
  listIcon,
  notebookIcon,
  searchIcon,
  settingsIcon,
  stopIcon,
  terminalIcon,
  undoIcon,
  usersIcon
} from '@jupyterlab/ui-components';
import * as React from 'react';

import type { IconName } from '../components/host.js';

/** A speech bubble with a spark. */
export const agentIcon = new LabIcon({
  name: 'jupyter-chatd:agent',
  svgstr:
    '<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24"><path class="jp-icon3" fill="#616161" ' +
    'd="M4 3h16a2 2 0 0 1 2 2v11a2 2 0 0 1-2 2H9l-5 4v-4a2 2 0 0 1-2-2V5a2 2 0 0 1 2-2zm8 2.5-1.3 3.7L7 10.5l3.7 ' +
    '1.3L12 15.5l1.3-3.7 3.7-1.3-3.7-1.3z"/></svg>'
});

const sendIcon = new LabIcon({
  name: 'jupyter-chatd:send',
  svgstr:
    '<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24"><path class="jp-icon3" fill="#616161" ' +
    'd="M3 20.5 21.5 12 3 3.5v6.6L15 12 3 13.9z"/></svg>'
});

const pinIcon = new LabIcon({
  name: 'jupyter-chatd:pin',
  svgstr:
    '<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24"><path class="jp-icon3" fill="#616161" ' +
    'd="M8 3h8v2l-1.2.8.7 5.2 2.5 2.5V15h-5v6l-1 1-1-1v-6H6v-1.5L8.500 11l.7-5.200L8 5z"/></svg>'
});

const archiveIcon = new LabIcon({
  name: 'jupyter-chatd:archive',
  svgstr:
    '<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24"><path class="jp-icon3" fill="#616161" ' +
    'd="M3 4h18v4H3zm1 5.500h16V20H4zM9 12v2h6v-2z"/></svg>'
});

/** A screen on a foot. */
export const desktopIcon = new LabIcon({
  name: 'jupyter-chatd:desktop',
  svgstr:
    '<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24"><path class="jp-icon3" fill="#616161" ' +
    'd="M3 3h18a2 2 0 0 1 2 2v11a2 2 0 0 1-2 2h-7v2h3v2H7v-2h3v-2H3a2 2 0 0 1-2-2V5a2 2 0 0 1 2-2zm0 2v11h18V5z"/></svg>'
});

const fitIcon = new LabIcon({
  name: 'jupyter-chatd:fit',
  svgstr:
    '<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24"><path class="jp-icon3" fill="#616161" ' +
    'd="M3 5h18v14H3zm2 2v10h14V7zm2 5 3-3v2h4V9l3 3-3 3v-2h-4v2z"/></svg>'
});

const fullIcon = new LabIcon({
  name: 'jupyter-chatd:full',
  svgstr:
    '<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24"><path class="jp-icon3" fill="#616161" ' +
    'd="M4 4h6v2H6v4H4zm10 0h6v6h-2V6h-4zM4 14h2v4h4v2H4zm14 0h2v6h-6v-2h4z"/></svg>'
});

const ICONS: Readonly<Record<IconName, LabIcon>> = {
  add: addIcon,
  agent: usersIcon,
  archive: archiveIcon,
  back: caretLeftIcon,
  beside: launchIcon,
  clipboard: copyIcon,
  close: closeIcon,
  code: codeIcon,
  desktop: desktopIcon,
  down: caretDownIcon,
  edit: editIcon,
  file: fileIcon,
  fit: fitIcon,
  full: fullIcon,
  notebook: notebookIcon,
  pin: pinIcon,
  plan: listIcon,
  question: infoIcon,
  restore: undoIcon,
  search: searchIcon,
  send: sendIcon,
  stop: stopIcon,
  terminal: terminalIcon,
  tool: settingsIcon
};

/** An icon of JupyterLab, or one of ours in its manner. */
export function Icon({ name }: { readonly name: IconName }): React.ReactElement {
  const { react: Shown } = ICONS[name];
  return <Shown tag="span" className="jp-chatd-icon" />;
}
