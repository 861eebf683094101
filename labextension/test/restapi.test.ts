import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, test } from 'node:test';

import { MalformedReplyError } from '../src/client/decode.js';
import { type Fetch, getServerVersion, listProviders, ResponseError } from '../src/client/restapi.js';

const DEMO = {
  provider: 'demo',
  display_name: 'Demo',
  available: true,
  models: [{ id: 'demo:demo', provider: 'demo', model: 'demo', display_name: 'Demo' }]
};

let server: Server | undefined;

afterEach(() => {
  server?.close();
  server?.closeAllConnections();
});

/** Starts a real HTTP server that gives *body* at *path* and 404 elsewhere; returns a `Fetch` for it. */
async function serving(path: string, body: string, status = 200): Promise<Fetch> {
  const started = createServer((request, response) => {
    const isKnown = request.method === 'GET' && request.url === path;
    response.writeHead(isKnown ? status : 404).end(isKnown ? body : 'no such page');
  });
  server = started;
  await new Promise<void>(ready => started.listen(0, '127.0.0.1', ready));
  const { port } = started.address() as AddressInfo;
  return relative => fetch(`http://127.0.0.1:${port}/${relative}`);
}

function servingModels(reply: unknown): Promise<Fetch> {
  return serving('/api/experimental/chats/models', JSON.stringify(reply));
}

describe('listProviders', () => {
  test('returns the providers in the order of the server', async () => {
    const openai = {
      provider: 'openai',
      display_name: 'OpenAI',
      available: false,
      unavailable_reason: 'missing_api_key',
      models: []
    };
    const get = await servingModels({ providers: [openai, DEMO] });

    assert.deepEqual(await listProviders(get), [
      {
        name: 'openai',
        displayName: 'OpenAI',
        available: false,
        unavailableReason: 'missing_api_key',
        models: []
      },
      {
        name: 'demo',
        displayName: 'Demo',
        available: true,
        models: [{ id: 'demo:demo', displayName: 'Demo' }]
      }
    ]);
  });

  test('ignores fields it does not know, and a reason that is null', async () => {
    const get = await servingModels({
      providers: [{ ...DEMO, unavailable_reason: null, region: 'eu' }],
      next: 1
    });

    const [demo] = await listProviders(get);
    assert.deepEqual(Object.keys(demo ?? {}), ['name', 'displayName', 'available', 'models']);
  });

  const malformed: readonly [reply: unknown, at: string, expected: string][] = [
    [[], 'the reply', 'an object'],
    [null, 'the reply', 'an object'],
    [{}, 'providers', 'a list'],
    [{ providers: [DEMO, 'demo'] }, 'providers[1]', 'an object'],
    [{ providers: [{ ...DEMO, provider: 3 }] }, 'providers[0].provider', 'a string'],
    [{ providers: [{ ...DEMO, display_name: null }] }, 'providers[0].display_name', 'a string'],
    [{ providers: [{ ...DEMO, available: 'yes' }] }, 'providers[0].available', 'true or false'],
    [{ providers: [{ ...DEMO, unavailable_reason: 1 }] }, 'providers[0].unavailable_reason', 'a string'],
    [{ providers: [{ ...DEMO, models: null }] }, 'providers[0].models', 'a list'],
    [{ providers: [{ ...DEMO, models: [{ id: 'a' }] }] }, 'providers[0].models[0].display_name', 'a string']
  ];
  for (const [reply, at, expected] of malformed) {
    test(`names the place where ${expected} is missing: ${at} of ${JSON.stringify(reply)}`, async () => {
      const get = await servingModels(reply);

      await assert.rejects(listProviders(get), (error: unknown) => {
        assert.ok(error instanceof MalformedReplyError);
        assert.deepEqual([error.at, error.expected], [at, expected]);
        return true;
      });
    });
  }

  test('a page that is not JSON is a malformed reply, and its text stays out of the message', async () => {
    const get = await serving('/api/experimental/chats/models', '<html>secret</html>');

    await assert.rejects(listProviders(get), (error: unknown) => {
      assert.ok(error instanceof MalformedReplyError);
      assert.doesNotMatch(error.message, /secret/);
      return true;
    });
  });
});

describe('a refusal', () => {
  test('carries the status and the sentence of the server', async () => {
    const body = JSON.stringify({ message: 'The model catalogue could not be read.' });
    const get = await serving('/api/experimental/chats/models', body, 500);

    await assert.rejects(listProviders(get), (error: unknown) => {
      assert.ok(error instanceof ResponseError);
      assert.equal(error.status, 500);
      assert.match(error.message, /500 Internal Server Error: The model catalogue could not be read\.$/);
      return true;
    });
  });

  test('of a route that is not there says what to check', async () => {
    const get = await serving('/elsewhere', '');

    await assert.rejects(listProviders(get), {
      name: 'ResponseError',
      message: /models answered 404 Not Found\. The server runs without jupyter_chatd: check its log/
    });
  });

  test('of something in between, which knows no JSON, still names the path and the status', async () => {
    const get = await serving('/api/experimental/chats/models', '<html>', 502);

    await assert.rejects(listProviders(get), {
      name: 'ResponseError',
      message: 'GET api/experimental/chats/models answered 502 Bad Gateway'
    });
  });
});

test('getServerVersion returns the version of Jupyter Server', async () => {
  const get = await serving('/api', '{"version": "2.21.1"}');

  assert.equal(await getServerVersion(get), '2.21.1');
});
