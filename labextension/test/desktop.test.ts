import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';

import { DesktopAPI, livePath } from '../src/client/desktops.js';
import { DesktopModel, LOOK_PAUSE, type Phase } from '../src/desktop/model.js';
import type { IScreen, IScreenOptions } from '../src/desktop/screen.js';
import { Clock } from './clock.js';
import { TestServer, until } from './wire.js';

const PATH = '/api/experimental/chats/a/desktop';
const RUNNING = {
  state: 'running',
  launcher: 'xvnc',
  width: 1280,
  height: 800,
  problem: null,
  can_control: true,
  controlled_by: null,
  agent_at_work: false
};
const STOPPED = { ...RUNNING, state: 'stopped' };
const TAKEN = { ...RUNNING, controlled_by: 'ada' };

/** A connection that the test makes and breaks. */
class TestScreen implements IScreen {
  constructor(readonly options: IScreenOptions) {
    this.viewOnly = options.viewOnly;
  }
  readonly node = {} as HTMLElement;
  readonly viewOnly: boolean;
  isFitted: boolean | undefined;
  copied = '';
  isDisposed = false;
  fit(isFitted: boolean): void {
    this.isFitted = isFitted;
  }
  async copy(text: string): Promise<void> {
    this.copied = text;
  }
  press(): void {}
  focus(): void {}
  picture(): string {
    return '';
  }
  dispose(): void {
    this.isDisposed = true;
  }
}

let server: TestServer;
let clock: Clock;
let screens: TestScreen[];
let model: DesktopModel;

beforeEach(async () => {
  server = await TestServer.start();
  clock = new Clock();
  screens = [];
});

afterEach(async () => {
  model.dispose();
  await server.stop();
});

/** Opens a view of a desktop that stands as *status* says. */
async function watch(status: unknown, phase?: Phase): Promise<void> {
  server.replies[`GET ${PATH}`] = status;
  model = new DesktopModel('a', {
    api: new DesktopAPI(server.fetch),
    timers: clock,
    random: () => 1,
    openScreen: options => {
      screens.push(new TestScreen(options));
      return screens.at(-1) as TestScreen;
    }
  });
  await until(() => (phase ? model.getState().phase === phase : screens.length === 1));
}

/** Lets the next question be asked, and the answer come. */
async function lookAgain(status: unknown): Promise<void> {
  server.replies[`GET ${PATH}`] = status;
  const asked = server.requests.length;
  await until(() => clock.due.size > 0);
  clock.advance();
  await until(() => server.requests.length > asked && clock.due.size > 0);
}

function screen(index: number): TestScreen {
  return screens.at(index) as TestScreen;
}

async function take(): Promise<void> {
  server.replies[`POST ${PATH}/take`] = TAKEN;
  server.replies[`GET ${PATH}`] = TAKEN;
  await model.take();
  screen(-1).options.connected();
}

test('looks on and does not start what is off; what starts is shown by itself', async () => {
  await watch(STOPPED, 'stopped');
  await lookAgain(STOPPED);
  assert.equal(screens.length, 0);
  server.replies[`GET ${PATH}`] = RUNNING;
  clock.advance();
  await until(() => screens.length === 1);
  screen(0).options.connected();
  assert.deepEqual([model.getState().phase, model.getState().hasControl], ['connected', false]);
  assert.equal(
    livePath('a', screen(0).options),
    'api/experimental/chats/a/desktop?start=false&view_only=true'
  );
});

test('input passes only while this view has control', async () => {
  await watch(RUNNING);
  screen(0).options.connected();
  await take();
  assert.deepEqual(
    [screen(0).isDisposed, screen(1).viewOnly, model.getState().hasControl],
    [true, false, true]
  );
  screen(1).options.copied('there');
  await model.copy('here');
  assert.deepEqual([model.getState().clipboard, screen(1).copied], ['there', 'here']);
  server.replies[`POST ${PATH}/release`] = RUNNING;
  await model.release();
  assert.equal(screen(1).isDisposed, false); // the old picture stays until the new one is there
  screen(2).options.connected();
  assert.deepEqual(
    [screen(1).isDisposed, screen(2).viewOnly, model.getState().hasControl],
    [true, true, false]
  );
});

test('what somebody gives back elsewhere is no longer controlled here', async () => {
  await watch(RUNNING);
  screen(0).options.connected();
  await take();
  server.replies[`GET ${PATH}`] = RUNNING;
  clock.advance();
  await until(() => screens.length === 3);
  assert.equal(screen(2).viewOnly, true);
});

test('a refusal to take control is told, and nothing changes', async () => {
  await watch(RUNNING);
  screen(0).options.connected();
  server.replies[`POST ${PATH}/take`] = 403;
  assert.equal(await model.take(), false);
  await until(() => clock.due.size > 0);
  assert.match(model.getState().problem ?? '', /403/);
  assert.deepEqual([screens.length, model.getState().phase], [1, 'connected']);
});

test('a lost connection is made again, later each time', async () => {
  await watch(RUNNING);
  screen(0).options.connected();
  for (let tries = 1; tries <= 4; tries += 1) {
    screen(-1).options.closed();
    assert.equal(model.getState().phase, 'reconnecting');
    clock.advance();
    await until(() => screens.length === tries + 1);
  }
  const delays = clock.delays.filter(delay => delay !== LOOK_PAUSE);
  assert.deepEqual(delays, [200, 400, 800, 1600]);
  assert.match(model.getState().reason ?? '', /no WebSocket/);
  screen(-1).options.connected();
  assert.deepEqual([model.getState().phase, model.getState().reason], ['connected', undefined]);
});

test('comes back after the restart of the server, when the desktop does', async () => {
  await watch(RUNNING);
  screen(0).options.connected();
  screen(0).options.closed();
  await lookAgain(503);
  assert.equal(model.getState().phase, 'reconnecting');
  await lookAgain(STOPPED);
  assert.equal(model.getState().phase, 'stopped');
  server.replies[`POST ${PATH}/start`] = RUNNING;
  assert.equal(await model.start(), true);
  screen(-1).options.connected();
  assert.equal(model.getState().phase, 'connected');
});

test('what is refused is not asked again by itself', async () => {
  await watch(404, 'refused');
  assert.match(model.getState().reason ?? '', /404/);
  assert.equal(clock.due.size, 0);
  server.replies[`GET ${PATH}`] = RUNNING;
  model.retryNow();
  await until(() => screens.length === 1);
});

test('the size chosen holds for the connections to come', async () => {
  await watch(RUNNING);
  model.fit(false);
  screen(0).options.closed();
  clock.advance();
  await until(() => screens.length === 2);
  assert.equal(screen(1).isFitted, false);
});

test('a view that goes gives back what it has taken, once', async () => {
  await watch(RUNNING);
  screen(0).options.connected();
  await take();
  server.replies[`POST ${PATH}/release`] = RUNNING;
  model.dispose();
  model.dispose();
  const released = () => server.requests.filter(({ asked }) => asked.endsWith('/release')).length;
  await until(() => released() === 1);
  assert.deepEqual([screen(1).isDisposed, clock.due.size], [true, 0]);
});
