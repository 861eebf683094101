/** Getting a built module: from the page's server, or, where it has none of that name, from a widget's kernel. */

import type { IAnyModel, KernelMessage } from './contract.js';
import { pageServer } from './page.js';

const PATIENCE = 20_000; // ms for a kernel that may have a cell to finish

/** Returns the module of the file *name*. */
export function importBundle<T>(name: string, model: IAnyModel): Promise<T> {
  return fromServer<T>(name).catch(() => fromKernel<T>(name, model));
}

async function fromServer<T>(name: string): Promise<T> {
  const server = pageServer();
  if (!server) {
    throw new Error('The page belongs to no Jupyter server.');
  }
  return import(`${server.baseUrl}static/jupyter_chatd/${name}?v=1`); // with v the browser may keep it
}

function fromKernel<T>(name: string, model: IAnyModel): Promise<T> {
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
      const message = content as KernelMessage;
      if (message.type === 'bundle' && message.name === name && source) {
        done();
        resolve(importSource<T>(source));
      }
    };
    model.on('msg:custom', receive);
    model.send({ type: 'bundle', name });
  });
}

async function importSource<T>(source: DataView): Promise<T> {
  const url = URL.createObjectURL(new Blob([source as BlobPart], { type: 'text/javascript' }));
  try {
    return await import(url);
  } finally {
    URL.revokeObjectURL(url);
  }
}
