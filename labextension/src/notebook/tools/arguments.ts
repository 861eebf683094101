/** Arguments of a call, as a model sent them: checked, with words that say what to do otherwise. */

import { fieldsOf } from '../../model/tools.js';

/** What the model did wrong, or what stands in the way; the text is for the model. */
export class ToolProblem extends Error {}

/** Returns the text *name*. */
export function textArgument(args: unknown, name: string): string {
  const value = optionalText(args, name);
  if (value === undefined) {
    throw new ToolProblem(`${name}: expected text, came nothing.`);
  }
  return value;
}

export function optionalText(args: unknown, name: string): string | undefined {
  const value = fieldsOf(args)[name];
  if (value === undefined || value === null) {
    return undefined;
  }
  if (typeof value === 'number') {
    return String(value); // models send a cell's number as one
  }
  if (typeof value !== 'string') {
    throw new ToolProblem(`${name}: expected text, came ${JSON.stringify(value).slice(0, 40)}.`);
  }
  return value;
}

export function optionalFlag(args: unknown, name: string): boolean {
  const value = fieldsOf(args)[name] ?? false;
  if (typeof value !== 'boolean') {
    throw new ToolProblem(`${name}: expected true or false, came ${JSON.stringify(value).slice(0, 40)}.`);
  }
  return value;
}

export function numberArgument(
  args: unknown,
  name: string,
  { least, most, otherwise }: { least: number; most: number; otherwise: number }
): number {
  const value = fieldsOf(args)[name] ?? otherwise;
  if (typeof value !== 'number' || value < least || value > most) {
    throw new ToolProblem(
      `${name}: expected a number from ${least} to ${most}, came ${JSON.stringify(value).slice(0, 40)}.`
    );
  }
  return value;
}

/** Returns a list of texts; one text counts as a list of one. */
export function textsArgument(args: unknown, name: string): string[] {
  const value = fieldsOf(args)[name];
  const list: unknown[] = Array.isArray(value) ? value : value === undefined ? [] : [value];
  const texts = list.map(one => (typeof one === 'number' ? String(one) : one));
  if (texts.length === 0 || !texts.every(text => typeof text === 'string')) {
    throw new ToolProblem(`${name}: expected a list of texts that is not empty.`);
  }
  return texts;
}
