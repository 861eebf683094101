/**
 * What the kernel sends with every widget and every notebook keeps: so it is small, and only fetches the
 * bundle, once for all widgets of a page. The server extension has the file; where the page belongs to no such server,
 * or to one with another version, the kernel sends it.
 */

import { importBundle } from './bundles.js';
import type { IAnyModel, IBundle, IRenderProps } from './contract.js';

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
    bundle = importBundle<IBundle>(name, model);
    bundle.catch(() => loaded.delete(name));
    loaded.set(name, bundle);
  }
  return bundle;
}
