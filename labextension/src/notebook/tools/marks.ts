import type { Cell } from '@jupyterlab/cells';
import type { Notebook, NotebookPanel } from '@jupyterlab/notebook';

const MARK = 'jp-chatd-touched';

/** Marks a cell as changed by the agent, until the user goes into it. */
export function mark(cell: Cell | undefined): void {
  if (!cell || cell.node.classList.contains(MARK)) {
    return;
  }
  cell.node.classList.add(MARK);
  const unmark = () => {
    cell.node.classList.remove(MARK);
    cell.node.removeEventListener('focusin', unmark);
    cell.node.removeEventListener('pointerdown', unmark);
  };
  cell.node.addEventListener('focusin', unmark);
  cell.node.addEventListener('pointerdown', unmark);
}

export function widgetOf(notebook: Notebook, cellId: string): Cell | undefined {
  return notebook.widgets.find(({ model }) => model.id === cellId);
}

/** Brings a cell into sight and makes it the active one. */
export async function showCell(panel: NotebookPanel, cellId: string): Promise<void> {
  const index = panel.content.widgets.findIndex(({ model }) => model.id === cellId);
  if (index >= 0) {
    panel.content.activeCellIndex = index;
    await panel.content.scrollToItem(index, 'center');
  }
}
