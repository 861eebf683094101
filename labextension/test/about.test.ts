import assert from 'node:assert/strict';
import { test } from 'node:test';

import { createElement } from 'react';
import { renderToStaticMarkup } from 'react-dom/server';

import type { IProvider } from '../src/client/restapi.js';
import { AboutBody } from '../src/components/AboutBody.js';

const DEMO = { name: 'demo', displayName: 'Demo', available: true, models: [] };
const OPENAI = { name: 'openai', displayName: 'OpenAI', available: false, models: [] };

function render(...providers: IProvider[]): string {
  return renderToStaticMarkup(createElement(AboutBody, { serverVersion: '2.21.1', providers }));
}

test('names the models that can be used', () => {
  const models = ['Small', 'Large'].map(displayName => ({ id: `demo:${displayName}`, displayName }));

  assert.match(render({ ...DEMO, models }), /<li>Demo: Small, Large<\/li>/);
});

test('says why a provider cannot be used', () => {
  assert.match(
    render({ ...OPENAI, unavailableReason: 'missing_api_key' }),
    /<li>OpenAI: not available, no API key is configured<\/li>/
  );
});

test('shows a reason that a newer server invented as it came', () => {
  assert.match(
    render({ ...OPENAI, unavailableReason: 'out_of_quota' }),
    /OpenAI: not available, out_of_quota/
  );
});

test('what the server says is text, never markup', () => {
  const models = [{ id: 'x:y', displayName: '<img src=x>' }];

  assert.doesNotMatch(render({ ...DEMO, models }), /<img/);
});
