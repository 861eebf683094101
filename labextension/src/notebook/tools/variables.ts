import type { NotebookPanel } from '@jupyterlab/notebook';
import { KernelMessage } from '@jupyterlab/services';

import { joined } from '../outputs.js';
import { ToolProblem } from './arguments.js';
import { checkKernel } from './run.js';

const PATIENCE = 20_000; // ms for an answer; a kernel that runs code answers after it

/** Runs in the kernel, leaves no name behind, and tells as the server's own `inspect_variables` does. */
const PROBE = `
import json, sys, types
from itertools import islice

def tried(make, value):
    try:
        return make(value)
    except Exception as error:
        return "(%s)" % type(error).__name__

def type_name(value):
    kind = value.__class__
    return kind.__qualname__ if kind.__module__ == "builtins" else kind.__module__ + "." + kind.__qualname__

def columns(value):
    names, kinds = getattr(value, "columns", None), getattr(value, "dtypes", None)
    if names is None or kinds is None:
        return str(value.dtype) if hasattr(value, "dtype") else None
    return ", ".join(islice(map("{}: {}".format, names, kinds), 30))

def size(value):
    usage = getattr(value, "memory_usage", None)
    if callable(usage):
        total = usage()
        return int(total.sum() if hasattr(total, "sum") else total)
    return int(value.nbytes) if isinstance(getattr(value, "nbytes", None), int) else sys.getsizeof(value)

def shown(value):
    text = str(value.head(5)) if hasattr(value, "columns") and hasattr(value, "head") else repr(value)
    return text if len(text) <= 300 else text[:300] + "..."

def described(name, value):
    fields = {
        "type": tried(type_name, value),
        "shape": str(tuple(value.shape)) if isinstance(getattr(value, "shape", None), (tuple, list)) else None,
        "length": tried(len, value) if hasattr(value, "__len__") else None,
        "columns": tried(columns, value),
        "size_bytes": tried(size, value),
        "value": tried(shown, value),
    }
    return {"name": name, **{key: field for key, field in fields.items() if field is not None}}

space, hidden = shell.user_ns, shell.user_ns_hidden
found = {
    name: value
    for name, value in list(space.items())
    if (name in names if names else not (
        name.startswith("_") or isinstance(value, types.ModuleType)
        or (name in hidden and hidden[name] is value)
    ))
}
told = [described(name, found[name]) for name in sorted(found)[:100]]
print(json.dumps({"variables": told, "left_out": len(found) - len(told)}))
`;

/**
 * Returns `{variables, left_out}` of a notebook's kernel; of all variables when *names* is empty.
 *
 * @throws ToolProblem when there is no kernel, or one that cannot be asked.
 */
export async function variablesOf(panel: NotebookPanel, names: readonly string[]): Promise<object> {
  await checkKernel({ path: panel.context.path, sessionContext: panel.sessionContext });
  const kernel = panel.sessionContext.session?.kernel;
  const language = (await kernel?.info)?.language_info.name;
  if (!kernel || language !== 'python') {
    throw new ToolProblem(
      `Only kernels for Python can be asked for variables; this one is for ${language}. Print them in a cell.`
    );
  }
  const space = `{"shell": get_ipython(), "names": ${JSON.stringify(names)}}`;
  const future = kernel.requestExecute({
    code: `exec(${JSON.stringify(PROBE)}, ${space})`,
    silent: true,
    store_history: false,
    allow_stdin: false
  });
  let printed = '';
  future.onIOPub = message => {
    printed += KernelMessage.isStreamMsg(message) ? joined(message.content.text) : '';
  };
  await answered(future.done);
  return readable(printed);
}

async function answered(done: Promise<unknown>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    const problem = new ToolProblem(
      'The kernel is busy and did not answer. Wait for what runs (read_cell with wait_s), or interrupt it.'
    );
    timer = setTimeout(() => reject(problem), PATIENCE);
  });
  try {
    await Promise.race([done, late]);
  } finally {
    clearTimeout(timer);
  }
}

function readable(printed: string): object {
  try {
    return JSON.parse(printed.trim().split('\n').at(-1) ?? '') as object;
  } catch {
    throw new ToolProblem(`The kernel gave no answer that makes sense: ${printed.slice(0, 300)}`);
  }
}
