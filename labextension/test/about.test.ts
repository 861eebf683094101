import assert from 'node:assert/strict';
import { test } from 'node:test';

import { createElement } from 'react';
import { renderToStaticMarkup } from 'react-dom/server';

import type { IProvider } from '../src/client/restapi.js';
import { AboutBody } from '../src/components/AboutBody.js';

function render(...providers: IProvider[]): string {
  return renderToStaticMarkup(createElement(AboutBody, { serverVersion: '2.21.1', providers }));
}

test('names the models that can be used', () => {
  const models = ['Small', 'Large'].map(displayName => ({ id: `demo:${displayName}`, displayName }));

  assert.match(render({ name: 'demo', available: true, models }), /<li>demo: Small, Large<\/li>/);
});

test('says why a provider cannot be used', () => {
  const openai = { name: 'openai', available: false, unavailableReason: 'missing_api_key', models: [] };

  assert.match(render(openai), /<li>openai: not available, no API key is configured<\/li>/);
});

test('shows a reason that a newer server invented as it came', () => {
  const provider = { name: 'x', available: false, unavailableReason: 'out_of_quota', models: [] };

  assert.match(render(provider), /x: not available, out_of_quota/);
});

test('what the server says is text, never markup', () => {
  const models = [{ id: 'x:y', displayName: '<img src=x>' }];

  assert.doesNotMatch(render({ name: 'x', available: true, models }), /<img/);
});
