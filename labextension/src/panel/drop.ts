import type { Contents } from '@jupyterlab/services';

import type { Draft } from '../model/draft.js';

const FILES = 'application/x-jupyter-icontents'; // paths, in a drag of JupyterLab's file browser
const PICTURE = /\.(png|jpe?g|gif|webp)$/i;
const CLASS = 'jp-mod-dropTarget';

/** What a drag within JupyterLab tells; the types of Lumino's dragging are not needed for more. */
interface IDragEvent extends Event {
  readonly mimeData: { hasData(type: string): boolean; getData(type: string): unknown };
  readonly proposedAction: string;
  dropAction: string;
}

/** Lets files of the file browser be dropped on *node*: pictures are attached, others referred to by their path. */
export function acceptFiles(
  node: HTMLElement,
  draft: () => Draft,
  contents: Pick<Contents.IManager, 'get'>
): void {
  const on = (type: string, act: (event: IDragEvent) => void) => {
    node.addEventListener(type, event => {
      const drag = event as IDragEvent;
      if (drag.mimeData.hasData(FILES)) {
        drag.preventDefault();
        drag.stopPropagation();
        act(drag);
      }
    });
  };
  on('lm-dragenter', () => undefined); // who takes what is dragged says so here
  on('lm-dragleave', () => node.classList.remove(CLASS));
  on('lm-dragover', drag => {
    node.classList.add(CLASS); // not where it enters: between two elements inside, leaving comes last
    drag.dropAction = drag.proposedAction; // no other is taken; nothing is moved by it
  });
  on('lm-drop', drag => {
    node.classList.remove(CLASS);
    drag.dropAction = drag.proposedAction;
    for (const path of drag.mimeData.getData(FILES) as readonly string[]) {
      void give(path, draft(), contents);
    }
  });
}

async function give(path: string, draft: Draft, contents: Pick<Contents.IManager, 'get'>): Promise<void> {
  const name = path.split('/').pop() ?? path;
  if (!PICTURE.test(name)) {
    draft.refer(name, { type: 'file-reference', file_name: path });
    return;
  }
  const file = await contents.get(path, { type: 'file', format: 'base64', content: true });
  const bytes = Uint8Array.from(atob(String(file.content)), character => character.charCodeAt(0));
  await draft.attach(new Blob([bytes], { type: file.mimetype }), name);
}
