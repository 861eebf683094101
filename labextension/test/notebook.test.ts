import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import {
  cellDiffs,
  cellOutputs,
  cellTitle,
  doneWords,
  picturesOf,
  resultFields
} from '../src/model/celltools.js';
import { completed, fitting, mentionAt } from '../src/model/mention.js';
import { errorOfOutputs, pictureOf, textOfAll } from '../src/notebook/outputs.js';
import { ToolProblem } from '../src/notebook/tools/arguments.js';
import { type ICell, page, placeOf, told, WHOLE } from '../src/notebook/tools/cells.js';
import { createNotebook } from '../src/notebook/tools/creation.js';
import { changedRange, edited } from '../src/notebook/tools/edits.js';
import { Executions } from '../src/notebook/tools/executions.js';
import { Pins } from '../src/notebook/tools/pins.js';
import { SavedNotebook } from '../src/notebook/tools/saved.js';
import { StepChanges } from '../src/notebook/tools/steps.js';
import { call, result } from './build.js';

const PLOT = {
  output_type: 'display_data',
  data: { 'image/png': 'iVBORw0K\n', 'text/plain': '<Figure size 640x480 with 1 Axes>' },
  metadata: {}
};
const PRINTED = { output_type: 'stream', name: 'stdout', text: ['a\n', 'b\n'] };
const FAILED = {
  output_type: 'error',
  ename: 'NameError',
  evalue: "name 'x' is not defined",
  traceback: ['\u001b[31mTraceback\u001b[0m', 'NameError']
};

function cell(fields: Partial<ICell> = {}): ICell {
  return {
    id: 'a',
    type: 'code',
    source: 'x = 1',
    outputs: [],
    executionCount: undefined,
    isRunning: false,
    isEditable: true,
    isDeletable: true,
    ...fields
  };
}

describe('outputs', () => {
  test('Words come without colours, and figures without their names.', () => {
    assert.equal(textOfAll([PRINTED, PLOT, FAILED]), 'a\nb\nTraceback\nNameError');
    assert.equal(errorOfOutputs([PRINTED, FAILED]), "NameError: name 'x' is not defined");
    assert.equal(errorOfOutputs([PRINTED]), undefined);
  });

  test('A raster picture goes before a drawing.', () => {
    const svg = { output_type: 'display_data', data: { 'image/svg+xml': ['<svg/>'] } };
    assert.deepEqual(pictureOf(PLOT), { mimeType: 'image/png', data: 'iVBORw0K' });
    assert.deepEqual(pictureOf(svg), { mimeType: 'image/svg+xml', data: '<svg/>' });
    assert.equal(pictureOf(PRINTED), undefined);
  });
});

describe('cells', () => {
  test('A cell is named by its id, which goes before its number.', () => {
    const cells = [cell({ id: '2' }), cell({ id: 'b' }), cell({ id: '#3' })];
    assert.deepEqual(
      ['2', ' b ', '3', '#3'].map(name => placeOf(cells, name)),
      [0, 1, 2, 2]
    );
    for (const name of ['', '0', '4', '-1', 'c']) {
      assert.throws(() => placeOf(cells, name), /the notebook has 3/);
    }
  });

  test('What is told of a cell has what it says, gave and failed with.', () => {
    const one = cell({ outputs: [PRINTED, PLOT, FAILED], executionCount: 3, isRunning: true });
    assert.deepEqual(told(one, 0, WHOLE), {
      cell: 'a',
      number: 1,
      type: 'code',
      source: 'x = 1',
      execution_count: 3,
      running: true,
      output: 'a\nb\nTraceback\nNameError',
      error: "NameError: name 'x' is not defined",
      pictures: 1
    });
  });

  test('Long outputs keep their beginning and their end, long sources their beginning.', () => {
    const text = `first${'.'.repeat(100)}last`;
    const long = cell({ source: text, outputs: [{ ...PRINTED, text }] });
    const { source, output } = told(long, 0, { source: 5, output: 10 });
    assert.equal(source, 'first\n… (104 more characters: read_cell)');
    assert.match(String(output), /^first\n… \(99 characters left out\) …\n\.last$/);
  });

  test('A page ends before it is too long, and has at least one cell.', () => {
    const cells = Array.from({ length: 60 }, () => cell({ source: 'x'.repeat(2_900) }));
    assert.equal(page(cells, 0, 60).length, 13);
    assert.equal(page(cells, 55, 60).length, 5);
    assert.equal(page(cells, 60, 1).length, 0);
  });
});

describe('edits', () => {
  const edits = (...list: readonly object[]) => ({ edits: list });

  test('Edits follow one another, each found once.', () => {
    const args = edits({ search: '1', replace: '2' }, { search: '= 2', replace: '= 3' });
    assert.equal(edited('x = 1', args), 'x = 3');
    assert.equal(edited('a a', edits({ search: 'a', replace: '$&', replace_all: true })), '$& $&');
  });

  test('What does not fit changes nothing, and says what stands there.', () => {
    assert.throws(() => edited('x x', edits({ search: 'x', replace: 'y' })), /found 2 times/);
    assert.throws(() => edited('x = 1', edits({ search: 'z', replace: 'y' })), /The cell says now:\nx = 1/);
    assert.throws(() => edited('x', edits({ search: '', replace: 'y' })), /not in the cell/);
    assert.throws(() => edited('x', {}), /neither or both/);
    assert.throws(() => edited('x', { source: 'y', ...edits({ search: 'x', replace: 'y' }) }), /or both/);
  });

  test('The whole source is replaced by who knows it.', () => {
    assert.equal(edited('x', { source: 'y', old_source: 'x' }), 'y');
    assert.throws(() => edited('x', { source: 'y', old_source: 'z' }), /another source/);
    assert.throws(() => edited('x', { source: 'y' }), /old_source: expected text/);
  });

  test('Only what differs is touched.', () => {
    for (const [before, after] of [
      ['x = 1\ny', 'x = 2\ny'],
      ['aa', 'aaa'],
      ['', 'a'],
      ['abc', ''],
      ['abc', 'abc']
    ] as const) {
      const { start, end, text } = changedRange(before, after);
      assert.equal(before.slice(0, start) + text + before.slice(end), after);
    }
    assert.deepEqual(changedRange('x = 1\ny', 'x = 2\ny'), { start: 4, end: 5, text: '2' });
  });
});

describe('pins', () => {
  function storage(): Pick<Storage, 'getItem' | 'setItem'> {
    const items = new Map<string, string>();
    return { getItem: key => items.get(key) ?? null, setItem: (key, value) => void items.set(key, value) };
  }

  test('A turn has the notebook that was in front when its message was sent, however long that waited.', () => {
    const pins = new Pins(storage());
    pins.send('page/1', 'x.ipynb');
    pins.send('page/2', undefined);
    pins.send('page/3', 'z.ipynb');
    pins.rename('x.ipynb', 'y.ipynb');
    assert.deepEqual(
      ['page/1', 'page/2', 'page/3', 'other/1'].map(name => pins.sent(name)),
      ['y.ipynb', undefined, 'z.ipynb', undefined]
    );
    for (let n = 4; n < 54; n += 1) {
      pins.send(`page/${n}`, 'z.ipynb');
    }
    assert.equal(pins.sent('page/3'), undefined);
  });

  test('A turn has the notebook that was in front when it began, also after a reload and under a new name.', () => {
    const items = storage();
    const pins = new Pins(items);
    pins.put('a', 1, 'x.ipynb');
    pins.put('b', 2, 'x.ipynb');
    pins.put('b', 3, undefined);
    pins.rename('x.ipynb', 'y.ipynb');
    const later = new Pins(items);
    assert.deepEqual(
      [later.find('a', 1), later.find('a', 2), later.find('b', 2), later.newest('a')],
      ['y.ipynb', undefined, undefined, 'y.ipynb']
    );
  });
});

describe('files', () => {
  class Contents {
    model: Record<string, unknown> = {
      path: 'a.ipynb',
      last_modified: '1',
      hash: 'h1',
      content: {
        nbformat: 4,
        nbformat_minor: 5,
        metadata: { keep: 1 },
        cells: [
          {
            cell_type: 'code',
            id: 'a',
            source: ['x\n', '1'],
            metadata: {},
            outputs: [PRINTED],
            execution_count: 1
          },
          { cell_type: 'markdown', id: 'b', source: '# B', metadata: { editable: false } }
        ]
      }
    };
    saved: unknown[] = [];

    readonly get = async () => this.model as never;
    readonly save = async (_: string, model?: { content?: { cells: unknown[] } }) => {
      this.saved.push(model?.content);
      return this.model as never;
    };
  }

  test('Cells of a file are as those of an open notebook.', async () => {
    const cells = await new SavedNotebook('a.ipynb', new Contents()).cells();
    assert.deepEqual(
      cells.map(({ id, source, executionCount, isEditable }) => [id, source, executionCount, isEditable]),
      [
        ['a', 'x\n1', 1, true],
        ['b', '# B', undefined, false]
      ]
    );
  });

  test('A change keeps all the rest.', async () => {
    const contents = new Contents();
    const notebook = new SavedNotebook('a.ipynb', contents);
    await notebook.cells();
    await notebook.change({ kind: 'edit', id: 'a', before: 'x\n1', after: 'y' });
    const [saved] = contents.saved as { metadata: object; cells: Record<string, unknown>[] }[];
    assert.deepEqual(saved?.metadata, { keep: 1 });
    assert.deepEqual(
      saved?.cells.map(({ source, outputs }) => [source, outputs]),
      [
        ['y', [PRINTED]],
        ['# B', undefined]
      ]
    );
  });

  test('Insertions have an id of their own, deletions and moves end where they should.', async () => {
    const contents = new Contents();
    const notebook = new SavedNotebook('a.ipynb', contents);
    const id = await notebook.change({ kind: 'insert', index: 1, type: 'code', source: 'new' });
    await notebook.change({ kind: 'delete', id: 'a' });
    await notebook.change({ kind: 'move', id: 'a', index: 1 });
    const orders = (contents.saved as { cells: { id: string }[] }[]).map(({ cells }) =>
      cells.map(one => one.id)
    );
    assert.deepEqual(orders, [['a', id, 'b'], ['b'], ['b', 'a']]);
    assert.match(id, /^[0-9a-f]{8}$/);
  });

  for (const [name, change] of [
    ['hash', { hash: 'h2' }],
    ['time, where there is no hash', { hash: undefined, last_modified: '2' }]
  ] as const) {
    test(`A file that somebody changed meanwhile is not saved: told by its ${name}.`, async () => {
      const contents = new Contents();
      const notebook = new SavedNotebook('a.ipynb', contents);
      await notebook.cells();
      contents.model = { ...contents.model, ...change };
      await assert.rejects(notebook.change({ kind: 'delete', id: 'a' }), /changed by somebody else/);
      assert.deepEqual(contents.saved, []);
    });
  }

  test('What is no notebook is refused.', async () => {
    const contents = new Contents();
    contents.model = { ...contents.model, content: 'text' };
    await assert.rejects(new SavedNotebook('a.ipynb', contents).cells(), /no notebook of version 4/);
  });
});

describe('new notebooks', () => {
  const server = (there: Readonly<Record<string, string>>, status = 404) => {
    const saved: Record<string, unknown> = {};
    const contents = {
      get: async (path: string) => {
        const type = there[path];
        if (type === undefined) {
          throw Object.assign(new Error('Refused'), { response: { status } });
        }
        return { path, type } as never;
      },
      save: async (path: string, model?: { content?: unknown }) => {
        saved[path] = model?.content;
        return {} as never;
      }
    };
    const specs = { default: 'python3', kernelspecs: { ir: spec('ir'), python3: spec('python3') } };
    return { saved, contents, kernelspecs: { specs, refreshSpecs: async () => undefined } };
  };
  const spec = (name: string) => ({ name, display_name: name.toUpperCase(), language: 'l' }) as never;

  test('It has one empty cell, and the kernel that was asked for or the default one.', async () => {
    const fake = server({ 'a/b': 'directory' });
    const { cell, kernel } = await createNotebook(fake, 'a/b/n.ipynb', undefined);
    const own = await createNotebook(fake, 'n.ipynb', 'ir');
    assert.deepEqual([kernel, own.kernel], ['python3', 'ir']);
    assert.deepEqual(Object.keys(fake.saved), ['a/b/n.ipynb', 'n.ipynb']);
    assert.deepEqual(fake.saved['a/b/n.ipynb'], {
      nbformat: 4,
      nbformat_minor: 5,
      metadata: { kernelspec: { name: 'python3', display_name: 'PYTHON3', language: 'l' } },
      cells: [{ cell_type: 'code', id: cell, metadata: {}, source: '', outputs: [], execution_count: null }]
    });
  });

  for (const [name, path, kernel, problem] of [
    ['A name that is taken', 'n.ipynb', undefined, /^n\.ipynb exists already/],
    ['A folder that is not there', 'a/b/n.ipynb', undefined, /^There is no folder a\/b:/],
    ['A file as a folder', 'n.ipynb/m.ipynb', undefined, /^There is no folder n\.ipynb:/],
    ['An unknown kernel', 'm.ipynb', 'julia', /^kernel: expected one of ir, python3; came julia\./],
    ['A kernel with a name of JavaScript', 'm.ipynb', 'constructor', /^kernel: expected one of ir, python3/]
  ] as const) {
    test(`${name} is refused, and nothing is saved.`, async () => {
      const fake = server({ 'n.ipynb': 'notebook' });
      await assert.rejects(createNotebook(fake, path, kernel), {
        constructor: ToolProblem,
        message: problem
      });
      assert.deepEqual(fake.saved, {});
    });
  }

  test('Where the server does not say whether there is a file, none is saved.', async () => {
    const fake = server({}, 500);
    await assert.rejects(
      createNotebook(fake, 'n.ipynb', undefined),
      /^Error: n\.ipynb cannot be looked at: Refused$/
    );
    assert.deepEqual(fake.saved, {});
  });
});

describe('cards', () => {
  test('Titles say what is done where.', () => {
    const title = (toolName: string, args: object) => cellTitle(call('c', { toolName, args }));
    assert.equal(
      title('edit_cell', { cell: 'a1', path: 'x/b.ipynb', run: true }),
      'Edit cell a1 of b.ipynb and run it'
    );
    assert.equal(title('run_cells', { cells: ['1', 2] }), 'Run cells 1, 2');
    assert.equal(title('list_notebooks', {}), 'List open notebooks');
    assert.equal(title('create_notebook', { path: 'x/b.ipynb' }), 'Create b.ipynb');
  });

  test('Of a new notebook its kernel is told, not what was made for the model.', () => {
    assert.equal(doneWords({ done: 'created', kernel: 'ir', hint: 'Fill it.' }), 'Kernel: ir');
    assert.equal(doneWords({ done: 'moved', number: 3 }), '');
  });

  test('A diff is there before the call has run; of a deletion after it.', () => {
    const edit = call('c', { toolName: 'edit_cell', args: { edits: [{ search: 'a', replace: 'b' }] } });
    assert.deepEqual(cellDiffs(edit, {}), [{ before: 'a', after: 'b' }]);
    const whole = call('c', { toolName: 'edit_cell', args: { source: 'b', old_source: 'a' } });
    assert.deepEqual(cellDiffs(whole, {}), [{ before: 'a', after: 'b' }]);
    const gone = call('c', { toolName: 'delete_cell', args: { cell: 'a' } });
    assert.deepEqual(cellDiffs(gone, { old_source: 'x' }), [{ before: 'x', after: '' }]);
    assert.deepEqual(cellDiffs(gone, {}), []);
  });

  test('Words and pictures of a result are found, and nothing that is none.', () => {
    const text = JSON.stringify({ cells: [{ cell: 'a', number: 1, output: 'hi' }] });
    const more = [
      { data: 'Zm9v', mime_type: 'image/jpeg' },
      { data: '"><script>', mime_type: 'image/png' },
      1
    ];
    const media = result('c', {
      isMedia: true,
      result: { data: 'iVBORw0K', mime_type: 'image/png', text, more }
    });
    assert.deepEqual(picturesOf(media), ['data:image/png;base64,iVBORw0K', 'data:image/jpeg;base64,Zm9v']);
    assert.deepEqual(cellOutputs(resultFields(media)), [{ cell: 'a', number: 1, text: 'hi' }]);
    assert.deepEqual(resultFields(result('c', { isMedia: true, result: { text: 'no JSON' } })), {});
  });
});

describe('mentions', () => {
  const entries = ['b.csv', 'a.csv', 'data', '.hidden', 'old-b.csv'].map(name => ({
    name,
    path: `x/${name}`,
    isFolder: name === 'data'
  }));

  test('A mention begins a word and ends with it.', () => {
    assert.deepEqual(mentionAt('see @x/b and', 8), { start: 4, folder: 'x', query: 'b' });
    assert.deepEqual(mentionAt('@', 1), { start: 0, folder: '', query: '' });
    assert.deepEqual(mentionAt('(@a', 3), { start: 1, folder: '', query: 'a' });
    for (const text of ['', 'a@b', '@a b', 'me@x.org']) {
      assert.equal(mentionAt(text, text.length), undefined);
    }
  });

  test('Names that begin so come first, hidden ones when they are asked for.', () => {
    const names = (query: string) => fitting(entries, query).map(({ name }) => name);
    assert.deepEqual(names('B'), ['b.csv', 'old-b.csv']);
    assert.deepEqual(names(''), ['a.csv', 'b.csv', 'data', 'old-b.csv']);
    assert.deepEqual(names('.'), ['.hidden', 'a.csv', 'b.csv', 'old-b.csv']);
  });

  test('A file is written out; in a folder one goes on.', () => {
    const mention = { start: 4, folder: 'x', query: 'b' };
    const [file, , folder] = entries;
    assert.ok(file && folder);
    assert.deepEqual(completed('see @x/b.', 8, mention, file), { text: 'see `x/b.csv` .', caret: 14 });
    assert.deepEqual(completed('see @x/b', 8, mention, folder), { text: 'see @x/data/', caret: 12 });
  });
});

describe('what a step has changed', () => {
  const named = (name: string, id: string) => [{ name, id }];

  test('is not run by a call that was allowed before', () => {
    const changes = new StepChanges();
    changes.note('1', 'a', false);
    assert.throws(() => changes.check('1', named('a', 'a')), /another one since the user was asked/);
    assert.throws(() => changes.check('1', named('2', 'a')), ToolProblem);
    changes.check('1', named('3', 'b'));
  });

  test('is another number when cells came or went', () => {
    const changes = new StepChanges();
    changes.note('1', 'new', true);
    assert.throws(() => changes.check('1', named('3', 'b')), /changed it or its number/);
    changes.check('1', named('b', 'b'));
  });

  test('is forgotten with the next step', () => {
    const changes = new StepChanges();
    changes.note('1', 'a', true);
    changes.check('2', named('1', 'a'));
  });
});

describe('executions', () => {
  type Listener = (kernel: unknown, value: unknown) => void;

  /** A kernel that tells what a test lets it tell. */
  class FakeKernel {
    interrupts = 0;
    private readonly heard: Listener[] = [];
    private readonly seen: Listener[] = [];
    readonly iopubMessage = { connect: (listener: Listener) => this.heard.push(listener) };
    readonly statusChanged = { connect: (listener: Listener) => this.seen.push(listener) };

    async interrupt(): Promise<void> {
      this.interrupts += 1;
    }

    tell(type: string, request: string, content: object = {}): void {
      const message = { header: { msg_type: type }, parent_header: { msg_id: request }, content };
      this.heard.forEach(listener => void listener(this, message));
    }

    become(status: string): void {
      this.seen.forEach(listener => void listener(this, status));
    }
  }

  const IDLE = { execution_state: 'idle' };

  test('Only what the agent asked for is interrupted, while it runs.', async () => {
    const kernel = new FakeKernel();
    const executions = new Executions(kernel as never);
    executions.own(['agent']);
    kernel.tell('execute_input', 'user');
    assert.equal(await executions.interrupt(), false);
    kernel.tell('status', 'user', IDLE);
    kernel.tell('execute_input', 'agent');
    kernel.tell('status', 'completion', IDLE);
    assert.equal(await executions.interrupt(), true);
    kernel.tell('status', 'agent', IDLE);
    assert.equal(await executions.interrupt(), false);
    assert.equal(kernel.interrupts, 1);
  });

  test('A kernel that has restarted runs nothing, and what it was asked for is forgotten.', async () => {
    const kernel = new FakeKernel();
    const executions = new Executions(kernel as never);
    executions.own(['agent']);
    kernel.tell('execute_input', 'agent');
    kernel.become('restarting');
    assert.equal(await executions.interrupt(), false);
    kernel.tell('execute_input', 'agent');
    assert.equal(await executions.interrupt(), false);
  });
});
