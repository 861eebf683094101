/** What a tool's call says at a glance. */

import type { IToolCallPart, IToolResultPart } from '../client/values.js';

export type ToolKind =
  | 'shell'
  | 'code'
  | 'edit'
  | 'read'
  | 'attachment'
  | 'search'
  | 'subagent'
  | 'desktop'
  | 'plan'
  | 'question'
  | 'cell'
  | 'other';

const KINDS: Readonly<Record<string, ToolKind>> = {
  execute: 'shell',
  process_list: 'shell',
  process_output: 'shell',
  process_signal: 'shell',
  execute_code: 'code',
  code_output: 'code',
  interrupt_kernel: 'code',
  restart_kernel: 'code',
  inspect_variables: 'code',
  web_search: 'search',
  write_file: 'edit',
  edit_files: 'edit',
  read_file: 'read',
  read_skill: 'read',
  read_skill_file: 'read',
  attach_file: 'attachment',
  spawn_agent: 'subagent',
  wait_agent: 'subagent',
  message_agent: 'subagent',
  close_agent: 'subagent',
  list_agents: 'subagent',
  computer: 'desktop',
  propose_plan: 'plan',
  ask_user_question: 'question',
  list_notebooks: 'cell',
  open_notebook: 'cell',
  create_notebook: 'cell',
  read_notebook: 'cell',
  read_cell: 'cell',
  insert_cell: 'cell',
  edit_cell: 'cell',
  delete_cell: 'cell',
  move_cell: 'cell',
  run_cells: 'cell',
  notebook_variables: 'cell',
  interrupt_notebook_kernel: 'cell',
  restart_notebook_kernel: 'cell'
};

export function kindOf(toolName: string): ToolKind {
  return ofTool(KINDS, toolName) ?? 'other';
}

/** Returns what *table* has for a tool. Models call tools by any name: `constructor` is one of every object. */
export function ofTool<T>(table: Readonly<Record<string, T>>, toolName: string): T | undefined {
  return Object.hasOwn(table, toolName) ? table[toolName] : undefined;
}

export type Fields = Readonly<Record<string, unknown>>;

/** Returns *value* as an object; an empty one when it is none. Models send what they like. */
export function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {};
}

/** Returns a field that is text; empty when it is not. */
export function textField(value: unknown, name: string): string {
  const field = fieldsOf(value)[name];
  return typeof field === 'string' ? field : '';
}

export function numberField(value: unknown, name: string): number | undefined {
  const field = fieldsOf(value)[name];
  return typeof field === 'number' ? field : undefined;
}

/** Returns one line that tells the call from others; the name of the tool where nothing better is known. */
export function titleOf(call: IToolCallPart): string {
  const title = ofTool(TITLES, call.toolName)?.(call.args);
  return title?.split('\n', 1)[0]?.trim() || genericName(call.toolName);
}

const TITLES: Readonly<Record<string, (args: unknown) => string>> = {
  execute: args => textField(args, 'command'),
  execute_code: args => textField(args, 'code').trim(),
  code_output: () => 'Output of the code that runs',
  interrupt_kernel: () => 'Interrupt the kernel',
  restart_kernel: () => 'Restart the kernel',
  inspect_variables: () => 'Look at variables',
  web_search: args => `Search ${textField(args, 'query') || 'the web'}`,
  list_templates: () => 'List templates of workspaces',
  read_template: () => 'Read a template of workspaces',
  create_workspace: args => `Create the workspace ${textField(args, 'name')}`,
  start_workspace: () => 'Start the workspace',
  stop_workspace: () => 'Stop the workspace',
  process_list: () => 'List processes',
  process_output: () => 'Output of a process',
  process_signal: args => `Send ${textField(args, 'signal') || 'a signal'} to a process`,
  write_file: args => `Write ${fileName(args)}`,
  edit_files: args => `Edit ${listField(args, 'files').map(fileName).join(', ')}`,
  read_file: args => `Read ${fileName(args)}`,
  read_skill: args => `Read the skill ${textField(args, 'name')}`,
  read_skill_file: args => `Read ${fileName(args)} of a skill`,
  attach_file: args => `Attach ${fileName(args)}`,
  spawn_agent: args => textField(args, 'title') || textField(args, 'prompt'),
  wait_agent: () => 'Wait for a subagent',
  message_agent: () => 'Message to a subagent',
  close_agent: () => 'Stop a subagent',
  list_agents: () => 'List subagents',
  computer: args => `Desktop: ${desktopActions(args).join(', ') || 'look'}`,
  propose_plan: () => 'Plan',
  ask_user_question: () => 'Question'
};

/** What a call does on the desktop, in our own spelling or in a vendor's, which stands below `input`. */
function desktopActions(args: unknown): string[] {
  const input = fieldsOf(args).input ?? args;
  const actions = listField(input, 'actions');
  return (actions.length > 0 ? actions : [input]).flatMap(action => {
    const word = textField(action, 'action') || textField(action, 'type') || textField(args, 'name');
    const keys = textField(action, 'keys') || listField(action, 'keys').join('+');
    return word ? [`${word.replaceAll('_', ' ')} ${textField(action, 'text') || keys}`.trimEnd()] : [];
  });
}

/** `slug__tool` is the tool of an MCP server. */
function genericName(toolName: string): string {
  const [slug, ...rest] = toolName.split('__');
  return rest.length > 0 ? `${rest.join('__')} (${slug})` : toolName || 'A tool';
}

export interface IFileChange {
  readonly path: string;
  /** Texts that go and come, in order; nothing goes where the whole file is written. */
  readonly edits: readonly { readonly before: string; readonly after: string; readonly all: boolean }[];
}

/** Returns what a call of `write_file` or `edit_files` does to which files. */
export function fileChanges(call: IToolCallPart): IFileChange[] {
  if (call.toolName === 'write_file') {
    const edits = [{ before: '', after: textField(call.args, 'content'), all: false }];
    return [{ path: textField(call.args, 'path'), edits }];
  }
  return listField(call.args, 'files').map(file => ({
    path: textField(file, 'path'),
    edits: listField(file, 'edits').map(edit => ({
      before: textField(edit, 'search'),
      after: textField(edit, 'replace'),
      all: fieldsOf(edit).replace_all === true
    }))
  }));
}

/** The last name of a path, which says nothing of a plan's: the whole one stands in the card. */
function fileName(args: unknown): string {
  const path = textField(args, 'path');
  return PLAN_PATH.test(path) ? 'the plan' : (path.split(/[/\\]/).pop() ?? '');
}

const PLAN_PATH = /(^|[/\\])\.agents[/\\]plans[/\\][^/\\]+$/;

export function listField(value: unknown, name: string): readonly unknown[] {
  const field = fieldsOf(value)[name];
  return Array.isArray(field) ? field : [];
}

export interface IQuestion {
  readonly header: string;
  readonly question: string;
  readonly options: readonly { readonly label: string; readonly description: string }[];
}

export function questionsOf(args: unknown): IQuestion[] {
  return listField(args, 'questions').map(question => ({
    header: textField(question, 'header'),
    question: textField(question, 'question'),
    options: listField(question, 'options').map(option => ({
      label: textField(option, 'label'),
      description: textField(option, 'description')
    }))
  }));
}

/** Returns why a call failed, as its result says; empty when it does not. */
export function errorOf(result: IToolResultPart | undefined): string {
  return textField(result?.result, 'error');
}

/** Whether a command ended because the user stopped the turn. */
export function isStopped(result: IToolResultPart | undefined): boolean {
  return errorOf(result).startsWith('The command was interrupted');
}

/** Returns how a command ended that did not end well; empty where its result does not say. */
export function endOf(result: IToolResultPart | undefined): string {
  const exitCode = numberField(result?.result, 'exit_code') ?? 0;
  if (exitCode > 0) {
    return `exit code ${exitCode}`;
  }
  if (exitCode < 0 && textField(result?.result, 'background_process_id')) {
    return 'time-out';
  }
  return isStopped(result) ? 'stopped' : '';
}

export interface ICommandOptions {
  /** One for each option that is in use. */
  readonly words: readonly string[];
  /** Those for which there are no words. */
  readonly others: Fields;
}

/** Returns how a command is to be run. */
export function commandOptions(args: unknown): ICommandOptions {
  const { command, ...options } = fieldsOf(args);
  const told = Object.entries(options).map(([name, value]) => ({
    name,
    value,
    word: value === null ? '' : OPTION_WORDS.get(name)?.(value)
  }));
  const others = told.flatMap(({ name, value, word }) => (word === undefined ? [[name, value]] : []));
  return { words: told.flatMap(({ word }) => word || []), others: Object.fromEntries(others) };
}

const OPTION_WORDS = new Map<string, (value: unknown) => string | undefined>([
  ['timeout', value => (typeof value === 'string' ? `time-out ${value}` : undefined)],
  ['workdir', value => (typeof value === 'string' ? `in ${value}` : undefined)],
  ['run_in_background', value => (value === true ? 'in the background' : value === false ? '' : undefined)]
]);

/** Returns a value as text for people: text as it is, the rest as indented JSON. */
export function shown(value: unknown): string {
  if (value === undefined) {
    return '';
  }
  return typeof value === 'string' ? value : JSON.stringify(value, undefined, 2);
}
