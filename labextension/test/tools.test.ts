import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { coverageOf } from '../src/model/coverage.js';
import {
  commandOptions,
  endOf,
  fileChanges,
  isStopped,
  kindOf,
  questionsOf,
  titleOf
} from '../src/model/tools.js';
import { call, result } from './build.js';

describe('the title of a call', () => {
  const titles: readonly [toolName: string, args: unknown, title: string][] = [
    ['execute', { command: 'ls\npwd' }, 'ls'],
    ['execute', undefined, 'execute'],
    ['execute', { command: 3 }, 'execute'],
    ['write_file', { path: '/home/me/a.txt' }, 'Write a.txt'],
    ['edit_files', { files: [{ path: 'a.py' }, { path: 'src/b.py' }] }, 'Edit a.py, b.py'],
    ['write_file', { path: '/home/me/.agents/plans/a7d76167.md' }, 'Write the plan'],
    ['edit_files', { files: [{ path: '.agents/plans/a.md' }] }, 'Edit the plan'],
    ['read_file', { path: 'C:\\work\\.agents\\plans\\a.md' }, 'Read the plan'],
    ['write_file', { path: '.agents/plans/../../.bashrc' }, 'Write .bashrc'],
    ['write_file', { path: 'x.agents/plans/a.md' }, 'Write a.md'],
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

describe('how a command ended', () => {
  const ends: readonly [told: object, end: string, stopped: boolean][] = [
    [{ exit_code: 0, output: 'x' }, '', false],
    [{ exit_code: 3, error: 'The command ended with exit code 3.' }, 'exit code 3', false],
    [{ exit_code: -1, error: 'The command was interrupted and ended.' }, 'stopped', true],
    [{ exit_code: -1, error: 'The command did not end.', background_process_id: 'p' }, 'time-out', false],
    [{ exit_code: -1, error: 'There is no folder x.' }, '', false],
    [{ exit_code: -11, error: 'The command was ended by a signal.' }, '', false]
  ];
  for (const [told, end, stopped] of ends) {
    test(JSON.stringify(told), () => {
      const ended = result('c', { result: told });
      assert.deepEqual([endOf(ended), isStopped(ended)], [end, stopped]);
    });
  }
});

test('options of a command have words; others stay as they are', () => {
  const args = { command: 'ls', timeout: '10m', workdir: 'data', run_in_background: true, signal: 'TERM' };
  const words = ['time-out 10m', 'in data', 'in the background'];
  assert.deepEqual(commandOptions(args), { words, others: { signal: 'TERM' } });
  const unused = { command: 'ls', timeout: null, run_in_background: false };
  assert.deepEqual(commandOptions(unused), { words: [], others: {} });
  const odd = { timeout: 7, constructor: 'x' };
  assert.deepEqual(commandOptions(odd), { words: [], others: odd });
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
