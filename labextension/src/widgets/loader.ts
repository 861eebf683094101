/**
 * What the kernel sends with every widget and every notebook keeps: so it is small, and only fetches the
 * bundle, once for all widgets of a page. The server extension has the file; where the page belongs to no such server,
 * or to one with another version, the kernel sends it.
 */

import type { IAnyModel, IBundle, IRenderProps, KernelMessage } from './contract.js';
import { pageServer } from './page.js';

const PATIENCE = 20_000; // ms for a kernel that may have a cell to finish
const LOADED = Symbol.for('jupyter_chatd.bundles');

const page = globalThis as { [LOADED]?: Map<string, Promise<IBundle>> };

async function render(props: IRenderProps): Promise<() => void> {
  try {
    return (await load(props.model)).render(props);
  } catch (error) {
    props.el.textContent = `The agent cannot be shown here. ${error instanceof Error ? error.message : error}`;
    return () => {};
  }
}

export default { render };

function load(model: IAnyModel): Promise<IBundle> {
  page[LOADED] ??= new Map();
  const loaded = page[LOADED];
  const name = String(model.get('_bundle'));
  let bundle = loaded.get(name);
  if (!bundle) {
    bundle = fromServer(name).catch(() => fromKernel(model));
    bundle.catch(() => loaded.delete(name));
    loaded.set(name, bundle);
  }
  return bundle;
}

async function fromServer(name: string): Promise<IBundle> {
  const server = pageServer();
  if (!server) {
    throw new Error('The page belongs to no Jupyter server.');
  }
  return import(`${server.baseUrl}static/jupyter_chatd/${name}?v=1`); // with v the browser may keep it
}

function fromKernel(model: IAnyModel): Promise<IBundle> {
  return new Promise((resolve, reject) => {
    const done = () => {
      clearTimeout(timer);
      model.off('msg:custom', receive);
    };
    const timer = setTimeout(() => {
      done();
      reject(new Error('Neither its server nor its kernel answers. Run the cell again.'));
    }, PATIENCE);
    const receive = (content: unknown, [source]: DataView[]) => {
      if ((content as KernelMessage).type === 'bundle' && source) {
        done();
        resolve(importSource(source));
      }
    };
    model.on('msg:custom', receive);
    model.send({ type: 'bundle' });
  });
}

async function importSource(source: DataView): Promise<IBundle> {
  const url = URL.createObjectURL(new Blob([source as BlobPart], { type: 'text/javascript' }));
  try {
    return await import(url);
  } finally {
    URL.revokeObjectURL(url);
  }
}
