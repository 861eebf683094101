/** What a message consists of, and what is sent of it. */

import type { InputPart } from '../client/chats.js';
import type { Part } from '../client/values.js';

/** Returns the text that somebody wrote in a message. */
export function textOf(content: readonly Part[]): string {
  return content.flatMap(part => (part.type === 'text' && part.text ? [part.text] : [])).join('\n');
}

export function textInput(text: string): InputPart[] {
  return text.trim() ? [{ type: 'text', text }] : [];
}

/** Returns the files that go with a message, as they are sent. */
export function filesOf(content: readonly Part[]): InputPart[] {
  return content.flatMap<InputPart>(part => {
    if (part.type === 'file' && part.fileId !== undefined) {
      return [{ type: 'file', file_id: part.fileId }];
    }
    if (part.type !== 'file-reference') {
      return [];
    }
    const { type, fileName, startLine, endLine, content } = part;
    return [{ type, file_name: fileName, start_line: startLine, end_line: endLine, content }];
  });
}
