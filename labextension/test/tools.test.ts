import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { coverageOf } from '../src/model/coverage.js';
import { fileChanges, kindOf, questionsOf, titleOf } from '../src/model/tools.js';
import { call } from './build.js';

describe('the title of a call', () => {
  const titles: readonly [toolName: string, args: unknown, title: string][] = [
    ['execute', { command: 'ls\npwd' }, 'ls'],
    ['execute', undefined, 'execute'],
    ['execute', { command: 3 }, 'execute'],
    ['write_file', { path: '/home/me/a.txt' }, 'Write a.txt'],
    ['edit_files', { files: [{ path: 'a.py' }, { path: 'src/b.py' }] }, 'Edit a.py, b.py'],
    ['spawn_agent', { prompt: 'Count.\nTwice.' }, 'Count.'],
    ['computer', { action: 'type', text: 'ls' }, 'Desktop: type ls'],
    ['computer', { dialect: 'anthropic', input: { action: 'left_click' } }, 'Desktop: left click'],
    [
      'computer',
      {
        dialect: 'openai',
        input: { actions: [{ type: 'move' }, { type: 'keypress', keys: ['CTRL', 'L'] }] }
      },
      'Desktop: move, keypress CTRL+L'
    ],
    ['computer', { dialect: 'gemini', name: 'click_at', input: { x: 1 } }, 'Desktop: click at'],
    ['computer', undefined, 'Desktop: look'],
    ['tickets__find', {}, 'find (tickets)'],
    ['', null, 'A tool']
  ];
  for (const [toolName, args, title] of titles) {
    test(`${toolName} of ${JSON.stringify(args)} is ${title}`, () => {
      assert.equal(titleOf(call('c', { toolName, args })), title);
    });
  }
});

test('A tool whose name every object has is like any other unknown one.', () => {
  for (const toolName of ['constructor', 'toString']) {
    assert.equal(kindOf(toolName), 'other');
    assert.equal(titleOf(call('c', { toolName, args: {} })), toolName);
    assert.equal(coverageOf(toolName), coverageOf('unknown'));
  }
});

test('Who allows all calls of a tool reads how far that goes.', () => {
  assert.equal(coverageOf('edit_cell'), 'every notebook and cell, whatever is written there, and running it');
  assert.equal(coverageOf('edit_files'), 'every file, also outside of the chat’s folder');
  assert.equal(coverageOf('tickets__find'), 'whatever goes into them');
});

test('changes of files, whatever the model sent', () => {
  const edit = { search: 'a', replace: 'b', replace_all: true };
  const args = { files: [{ path: 'x', edits: [edit, 'no edit'] }, null] };
  assert.deepEqual(fileChanges(call('c', { toolName: 'edit_files', args })), [
    {
      path: 'x',
      edits: [
        { before: 'a', after: 'b', all: true },
        { before: '', after: '', all: false }
      ]
    },
    { path: '', edits: [] }
  ]);
});

test('questions with their options', () => {
  const question = { header: 'Color', question: 'Which?', options: [{ label: 'Red', description: 'warm' }] };
  assert.deepEqual(questionsOf({ questions: [question] }), [question]);
  assert.deepEqual(questionsOf('no questions'), []);
});
