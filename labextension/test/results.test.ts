import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { delimitedTable, pagesOf, picturesOf, tableOf } from '../src/model/results.js';
import { result } from './build.js';

describe('pictures', () => {
  const picture = { data: 'AAAA', mime_type: 'image/png' };

  test('all of a result, in order', () => {
    const found = picturesOf(
      result('c', { isMedia: true, result: { ...picture, more: [picture, 'no picture'] } })
    );
    assert.deepEqual(
      found.map(({ address, description }) => [address, description]),
      [
        ['data:image/png;base64,AAAA', 'Picture 1 of execute'],
        ['data:image/png;base64,AAAA', 'Picture 2 of execute']
      ]
    );
  });

  test('no documents that could hold script', () => {
    assert.deepEqual(
      picturesOf(result('c', { isMedia: true, result: { ...picture, mime_type: 'image/svg+xml' } })),
      []
    );
    assert.deepEqual(picturesOf(result('c', { result: picture })), []);
  });
});

describe('tables', () => {
  test('of objects, with the columns of all', () => {
    assert.deepEqual(
      tableOf([
        { a: 1, b: null },
        { a: 'x', c: [1, 2] }
      ]),
      {
        columns: ['a', 'b', 'c'],
        rows: [
          ['1', '', ''],
          ['x', '', '1, 2']
        ],
        leftOut: 0
      }
    );
  });

  test('not of anything else', () => {
    for (const value of [[], [1], [{ a: { b: 1 } }], { a: 1 }, 'text', undefined]) {
      assert.equal(tableOf(value), undefined);
    }
  });

  test('of CSV with quotes, within 200 rows', () => {
    const text = `name,size\n"a, ""b""",1\r\n${'x,2\n'.repeat(250)}`;
    const table = delimitedTable(text, ',');
    assert.deepEqual(table?.columns, ['name', 'size']);
    assert.deepEqual(table?.rows[0], ['a, "b"', '1']);
    assert.equal(table?.rows.length, 200);
    assert.equal(table?.leftOut, 51);
  });

  test('not of text without columns', () => {
    assert.equal(delimitedTable('one\ntwo', ','), undefined);
    assert.equal(delimitedTable('a,b', ','), undefined);
    assert.equal(delimitedTable('', ','), undefined);
  });
});

test('pages of a search, each once, wherever they stand', () => {
  const page = { url: 'https://example.org/', title: 'Example', type: 'web_search_result' };
  assert.deepEqual(
    pagesOf({
      sources: [page, page, { url: 'javascript:alert(1)' }],
      deeper: { one: { uri: 'http://b.org' } }
    }),
    [
      { url: 'https://example.org/', title: 'Example' },
      { url: 'http://b.org', title: '' }
    ]
  );
  assert.deepEqual(pagesOf('nothing'), []);
});
