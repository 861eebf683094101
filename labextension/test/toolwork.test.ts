import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import type { IOutcome } from '../src/client/chats.js';
import { ResponseError } from '../src/client/restapi.js';
import type { IAction, ICallKey } from '../src/client/values.js';
import { EMPTY_VIEW, type IChatView } from '../src/client/view.js';
import { type IClientTool, type IToolCall, ToolWork } from '../src/model/toolwork.js';
import { action, row, text } from './build.js';
import { until } from './wire.js';

/** What the server was told; it refuses or cannot be reached as often as a test says. */
class Server {
  readonly claims: string[] = [];
  readonly results: [string, IOutcome, boolean][] = [];
  failures: unknown[] = [];

  async claim(chatId: string, calls: readonly ICallKey[], client: string): Promise<void> {
    this.fail();
    this.claims.push(`${client} ${chatId} ${calls.map(({ callIndex }) => callIndex).join(',')}`);
  }

  async finish(_: string, call: ICallKey, outcome: IOutcome, __: string, leaving = false): Promise<void> {
    this.fail();
    this.results.push([`${call.messageId}.${call.callIndex}`, outcome, leaving]);
  }

  private fail(): void {
    const [failure] = this.failures.splice(0, 1);
    if (failure) {
      throw failure;
    }
  }
}

let server: Server;
let work: ToolWork;
let calls: IToolCall[];
let turns: string[];
let pauses: number[];
let answer: (call: IToolCall) => Promise<IOutcome>;

beforeEach(() => {
  server = new Server();
  calls = [];
  turns = [];
  pauses = [];
  answer = async ({ args }) => ({ result: args });
  work = new ToolWork(server, 'page', async ms => void pauses.push(ms));
  work.add({
    tools: [tool('look')],
    sending: name => void turns.push(`sending ${name}`),
    turnStarted: ({ chatId, turnId, sentFrom }) => void turns.push(`${chatId} ${turnId} ${sentFrom}`),
    patience: ({ sentFrom }) => (sentFrom === 'here' ? 0 : 300)
  });
});

function tool(name: string): IClientTool {
  return {
    name,
    description: '',
    inputSchema: { type: 'object' },
    run: call => {
      calls.push(call);
      return answer(call);
    }
  };
}

function asked(...actions: readonly Partial<IAction>[]): IChatView {
  return {
    ...EMPTY_VIEW,
    status: 'requires_action',
    isComplete: true,
    messages: [row(1, 'user'), row(2, 'assistant')],
    actions: actions.map(fields =>
      action({ kind: 'client_tool', messageId: 2, toolName: 'look', args: fields.callIndex ?? 0, ...fields })
    )
  };
}

const AT_REST: IChatView = { ...asked(), status: 'waiting' };

test('Calls of a step are claimed together and run in their order, once.', async () => {
  work.look('a', asked({}, { callIndex: 1 }));
  work.look('a', asked({}, { callIndex: 1 }));
  await until(() => server.results.length === 2);
  assert.deepEqual(server.claims, ['page a 0,1']);
  assert.deepEqual(
    server.results.map(([key, { result }]) => [key, result]),
    [
      ['2.0', 0],
      ['2.1', 1]
    ]
  );
});

test('What another client runs, or nobody here can, is left alone.', async () => {
  const others = [
    { claimedBy: 'other' },
    { callIndex: 1, toolName: 'f' },
    { callIndex: 2, kind: 'approval' }
  ];
  work.look('a', asked(...others));
  work.look('b', { ...asked({}), isComplete: false });
  await new Promise(setImmediate);
  assert.deepEqual([server.claims, calls], [[], []]);
});

test('A claim that is refused is not ours: nothing runs, and it is not tried again.', async () => {
  server.failures = [new ResponseError(409, 'Another client runs this call.', undefined)];
  work.look('a', asked({}));
  await until(() => server.failures.length === 0);
  work.look('a', asked({}));
  await new Promise(setImmediate);
  assert.deepEqual([server.claims, calls], [[], []]);
});

test('While the server is away, results wait for it and the tool runs once.', async () => {
  server.failures = [new TypeError('no network'), undefined, new TypeError(), new TypeError()];
  work.look('a', asked({}));
  await until(() => server.results.length === 1);
  assert.equal(calls.length, 1);
  assert.deepEqual(pauses, [300, 500, 500, 1000]);
});

test('What a tool throws, the model reads.', async () => {
  answer = () => Promise.reject(new Error('There is no cell 9.'));
  work.look('a', asked({}));
  await until(() => server.results.length === 1);
  assert.deepEqual(server.results[0]?.[1], { result: { error: 'There is no cell 9.' }, isError: true });
});

test('A turn that is stopped aborts what runs and runs no more of it; one that goes on does not.', async () => {
  let finish: (outcome: IOutcome) => void = () => undefined;
  answer = () =>
    new Promise(resolve => {
      finish = resolve;
    });
  const both = asked({}, { callIndex: 1 });
  work.look('a', both);
  await until(() => calls.length === 1);
  work.look('a', both);
  work.look('b', AT_REST);
  assert.equal(calls[0]?.signal.aborted, false);
  work.look('a', AT_REST);
  assert.equal(calls[0]?.signal.aborted, true);
  finish({ result: 'late' });
  await until(() => server.results.length === 2);
  assert.equal(calls.length, 1);
  assert.match(JSON.stringify(server.results[1]), /not run/);
});

test('A result that is on its way does not stop the next call of its step.', async () => {
  answer = async ({ args }) => {
    work.look('a', asked({ callIndex: 1 }));
    return { result: args };
  };
  work.look('a', asked({}, { callIndex: 1 }));
  await until(() => server.results.length === 2);
  assert.equal(server.results[1]?.[1].result, 1);
});

test('A turn is of the page that sent its message, whatever the queue did; an old chat that is opened has none.', async () => {
  const sent = (id: number, name?: string) => row(id, 'user', [text('Go')], { clientMessageId: name });
  work.look('old', AT_REST);
  const [first, second] = [work.name(), work.name()];
  assert.deepEqual([first, second], ['page/1', 'page/2']);
  work.look('new', { ...AT_REST, messages: [sent(1, second)] });
  work.look('old', { ...AT_REST, messages: [...AT_REST.messages, sent(3)] });
  work.look('old', { ...AT_REST, messages: [...AT_REST.messages, sent(3)] });
  work.look('late', { ...AT_REST, messages: [sent(5, 'another-page/1')] });
  assert.deepEqual(turns.slice(2), ['new 1 here', 'old 3 unknown', 'late 5 elsewhere']);
});

test('A call is taken on at once where it was asked for, and left to that page elsewhere.', async () => {
  const of = (name: string) => ({
    ...asked({}),
    messages: [row(1, 'user', [text('Go')], { clientMessageId: name }), row(2, 'assistant')]
  });
  work.look('a', of('page/7'));
  await until(() => calls.length === 1);
  assert.deepEqual(pauses, []);
  work.look('b', of('pages/7'));
  await until(() => calls.length === 2);
  assert.deepEqual(pauses, [300]);
  assert.deepEqual(
    calls.map(({ turnId }) => turnId),
    [1, 1]
  );
});

test('A page that goes away says that the result is lost.', async () => {
  answer = () => new Promise(() => undefined);
  work.look('a', asked({}));
  await until(() => calls.length === 1);
  work.leave();
  const [[key, outcome, leaving] = []] = server.results;
  assert.deepEqual([key, outcome?.isError, leaving], ['2.0', true, true]);
});

test('Tools are offered until they are taken away.', () => {
  const remove = work.add({ tools: [tool('other')] });
  assert.deepEqual(
    work.declarations().map(({ name }) => name),
    ['look', 'other']
  );
  remove();
  assert.equal(work.declarations().length, 1);
});
