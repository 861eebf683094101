/** What the model is told of the tools for notebooks. */

import type { IToolDeclaration } from '../../client/chats.js';

export const RUN_SECONDS = { least: 1, most: 240, otherwise: 60 } as const; // the server waits for 300

const path = {
  type: 'string',
  description:
    'Of the notebook, as list_notebooks gives it. Default: the one in front when the user sent this.'
};
const cell = { type: 'string', description: 'The id of a cell, or its number from 1; ids stay the same.' };
const wait = {
  type: 'number',
  description: `Seconds to wait for the end, ${RUN_SECONDS.least}-${RUN_SECONDS.most}, default ${RUN_SECONDS.otherwise}. The code goes on after that.`
};
const run = { type: 'boolean', description: 'Run the cell at once, as run_cells does.' };

function declare(
  name: string,
  description: string,
  properties: object = {},
  required: readonly string[] = []
): IToolDeclaration {
  const inputSchema = { type: 'object', properties, required, additionalProperties: false };
  return { name, description, inputSchema };
}

export const DECLARATIONS = {
  list_notebooks: declare(
    'list_notebooks',
    'Lists the notebooks that the user has open in JupyterLab, with kernel state, the active cell and what is selected ' +
      'there. Use these tools for notebooks rather than file tools or execute_code: the user sees each change and can ' +
      "undo it, and code runs in the notebook's own kernel."
  ),
  open_notebook: declare(
    'open_notebook',
    'Opens a notebook in JupyterLab, in front of the user, with a kernel. Only when the user wants to see it, or it has to run.',
    { path: { type: 'string', description: 'Of a notebook that exists: *.ipynb.' } },
    ['path']
  ),
  create_notebook: declare(
    'create_notebook',
    'Creates a notebook with one empty cell and opens it in JupyterLab, in front of the user, with a kernel. Only when the ' +
      'user wants a new one. Other calls name it by its path.',
    {
      path: { type: 'string', description: 'Of a file that does not exist, *.ipynb, in a folder that does.' },
      kernel: { type: 'string', description: "Name of a kernel. Default: the server's." }
    },
    ['path']
  ),
  read_notebook: declare(
    'read_notebook',
    'Reads the cells of a notebook with their ids; long sources and outputs are cut.',
    {
      path,
      first: { type: 'integer', description: 'Number of the first cell to read, from 1.' },
      count: { type: 'integer', description: 'How many cells, 1-200, default 50.' }
    }
  ),
  read_cell: declare(
    'read_cell',
    'Reads one cell in full: source, outputs, error, and plots as pictures. Of a cell that runs, waits for the end if asked.',
    {
      path,
      cell,
      wait_s: { ...wait, description: 'Seconds to wait while the cell runs, 0-240, default 0.' }
    },
    ['cell']
  ),
  insert_cell: declare(
    'insert_cell',
    'Inserts a cell; without before or after at the end.',
    {
      path,
      source: { type: 'string' },
      type: { enum: ['code', 'markdown', 'raw'], default: 'code' },
      before: cell,
      after: cell,
      run,
      wait_s: wait
    },
    ['source']
  ),
  edit_cell: declare(
    'edit_cell',
    'Changes the source of a cell: by edits, each search must be found exactly once; or all of it by source, with the ' +
      'present source as old_source. Nothing changes when a check fails.',
    {
      path,
      cell,
      edits: {
        type: 'array',
        items: {
          type: 'object',
          properties: {
            search: { type: 'string' },
            replace: { type: 'string' },
            replace_all: { type: 'boolean' }
          },
          required: ['search', 'replace']
        }
      },
      source: { type: 'string' },
      old_source: { type: 'string' },
      run,
      wait_s: wait
    },
    ['cell']
  ),
  delete_cell: declare('delete_cell', 'Deletes a cell.', { path, cell }, ['cell']),
  move_cell: declare(
    'move_cell',
    'Moves a cell before or after another one.',
    { path, cell, before: cell, after: cell },
    ['cell']
  ),
  run_cells: declare(
    'run_cells',
    'Runs cells of an open notebook in its own kernel, in the order given, and returns what they gave, plots as pictures. ' +
      'An error ends it.',
    { path, cells: { type: 'array', items: cell, minItems: 1 }, wait_s: wait },
    ['cells']
  ),
  notebook_variables: declare(
    'notebook_variables',
    "Lists the variables of an open notebook's kernel: type, shape, columns, size, value. Changes nothing.",
    {
      path,
      names: { type: 'array', items: { type: 'string' }, description: 'Only these. Default: all.' }
    }
  ),
  interrupt_notebook_kernel: declare(
    'interrupt_notebook_kernel',
    "Interrupts what runs in an open notebook's kernel; variables stay.",
    { path }
  ),
  restart_notebook_kernel: declare(
    'restart_notebook_kernel',
    "Restarts an open notebook's kernel: all its variables are lost. Outputs stay.",
    { path }
  )
} as const;
