/** New notebooks: a file with one empty cell, in a folder that is there, where no file was. */

import type { Contents, KernelSpec } from '@jupyterlab/services';

import { fieldsOf } from '../../model/tools.js';
import { ToolProblem } from './arguments.js';
import { newId } from './saved.js';

/** What is asked of the server. */
export interface INotebookServer {
  readonly contents: Pick<Contents.IManager, 'get' | 'save'>;
  readonly kernelspecs: Pick<KernelSpec.IManager, 'refreshSpecs' | 'specs'>;
}

export interface ICreated {
  /** The name of its kernel. */
  readonly kernel: string;
  /** The id of its cell. */
  readonly cell: string;
}

/**
 * Saves a new notebook at *path*, as the server's contents have it; without *kernel* it has the server's default one.
 *
 * @throws ToolProblem when something is there already, the folder or the kernel is not, or the server refuses.
 */
export async function createNotebook(
  { contents, kernelspecs }: INotebookServer,
  path: string,
  kernel: string | undefined
): Promise<ICreated> {
  const spec = await specOf(kernelspecs, kernel);
  await checkFolder(contents, path.split('/').slice(0, -1).join('/'));
  if (await find(contents, path)) {
    throw new ToolProblem(`${path} exists already: open_notebook opens it; or give a name that is free.`);
  }
  const cell = newId();
  try {
    await contents.save(path, { type: 'notebook', format: 'json', content: contentOf(spec, cell) });
  } catch (error) {
    throw new ToolProblem(`${path} cannot be created: ${reasonOf(error)}`);
  }
  return { kernel: spec.name, cell };
}

/** Returns the kernel of that name. Asks anew: one may have been installed since the page was loaded. */
async function specOf(
  kernelspecs: INotebookServer['kernelspecs'],
  name: string | undefined
): Promise<KernelSpec.ISpecModel> {
  await kernelspecs.refreshSpecs();
  const known = kernelspecs.specs?.kernelspecs ?? {};
  const wanted = name ?? kernelspecs.specs?.default ?? '';
  const spec = Object.hasOwn(known, wanted) ? known[wanted] : undefined;
  if (!spec) {
    const names = Object.keys(known).sort().join(', ');
    throw new ToolProblem(`kernel: expected one of ${names || '(the server has none)'}; came ${wanted}.`);
  }
  return spec;
}

async function checkFolder(contents: INotebookServer['contents'], folder: string): Promise<void> {
  const found = folder === '' || (await find(contents, folder))?.type === 'directory';
  if (!found) {
    throw new ToolProblem(
      `There is no folder ${folder}: expected one that exists. Paths begin in the folder that JupyterLab shows, not at /.`
    );
  }
}

/** Returns what lies at *path*; `undefined` when nothing does. */
async function find(
  contents: INotebookServer['contents'],
  path: string
): Promise<Contents.IModel | undefined> {
  try {
    return await contents.get(path, { content: false });
  } catch (error) {
    if (fieldsOf(fieldsOf(error).response).status === 404) {
      return undefined;
    }
    throw new ToolProblem(`${path} cannot be looked at: ${reasonOf(error)}`);
  }
}

function contentOf({ name, display_name, language }: KernelSpec.ISpecModel, cell: string): object {
  return {
    nbformat: 4,
    nbformat_minor: 5,
    metadata: { kernelspec: { name, display_name, language } },
    cells: [{ cell_type: 'code', id: cell, metadata: {}, source: '', outputs: [], execution_count: null }]
  };
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
