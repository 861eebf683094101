/** How far it goes to allow a tool for a whole chat: whatever its arguments are (`scope: chat`). Pure. */

import { ofTool } from './tools.js';

const FILES = 'every file, also outside of the chat’s folder';
const CELLS = 'every notebook and cell';
const WRITTEN = `${CELLS}, whatever is written there, and running it`;
const KERNELS = 'the kernel of every notebook';

const COVERED: Readonly<Record<string, string>> = {
  execute: 'every command',
  execute_code: 'all code',
  write_file: FILES,
  edit_files: FILES,
  insert_cell: WRITTEN,
  edit_cell: WRITTEN,
  delete_cell: CELLS,
  move_cell: CELLS,
  run_cells: `${CELLS}, whatever it says by then`,
  interrupt_notebook_kernel: KERNELS,
  restart_notebook_kernel: KERNELS
};

/** Returns what it covers to allow all calls of a tool: `every notebook and cell`. */
export function coverageOf(toolName: string): string {
  return ofTool(COVERED, toolName) ?? 'whatever goes into them';
}
