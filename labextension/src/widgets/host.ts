import { filePath } from '../client/chats.js';
import type { IHost } from '../components/host.js';
import { Icon } from './icons.js';
import { MarkdownView } from './markdown.js';
import { pageServer } from './page.js';
import type { WidgetSession } from './session.js';

/** Returns what the components need, in the output of a cell. */
export function hostFor({ api }: WidgetSession): IHost {
  return {
    Icon,
    codeActions: [{ label: 'Copy', run: code => void navigator.clipboard.writeText(code) }],
    focusesInput: false,
    createMarkdown: () => new MarkdownView(),
    fileURL: fileId => (pageServer()?.baseUrl ?? '') + filePath(fileId),
    fileText: fileId => api.fileText(fileId)
  };
}
