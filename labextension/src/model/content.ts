/** What a message consists of, and what is sent of it. */

import type { InputPart } from '../client/chats.js';
import type { IFileReferencePart, Part } from '../client/values.js';

/** Returns the text that somebody wrote in a message. */
export function textOf(content: readonly Part[]): string {
  return content.flatMap(part => (part.type === 'text' && part.text ? [part.text] : [])).join('\n');
}

export function textInput(text: string): InputPart[] {
  return text.trim() ? [{ type: 'text', text }] : [];
}

export interface IAttachedFile {
  /** For people: with the lines, where it is some of them. */
  readonly name: string;
  readonly part: InputPart;
}

/** Returns the files that go with a message, as they are sent. */
export function filesOf(content: readonly Part[]): IAttachedFile[] {
  return content.flatMap<IAttachedFile>(part => {
    if (part.type === 'file' && part.fileId !== undefined) {
      return [{ name: part.name ?? 'File', part: { type: 'file', file_id: part.fileId } }];
    }
    if (part.type !== 'file-reference') {
      return [];
    }
    const { type, fileName, startLine, endLine, content } = part;
    const sent = { type, file_name: fileName, start_line: startLine, end_line: endLine, content };
    return [{ name: referenceName(part), part: sent }];
  });
}

/** Returns what a file is called of which a message has a part, or all. */
export function referenceName({ fileName, startLine, endLine }: IFileReferencePart): string {
  return startLine === undefined ? fileName : `${fileName}:${startLine}-${endLine ?? startLine}`;
}
