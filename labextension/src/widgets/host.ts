import { filePath } from '../client/chats.js';
import type { ICodeAction, IHost } from '../components/host.js';
import { Icon } from './icons.js';
import { MarkdownView } from './markdown.js';
import { pageServer } from './page.js';
import { offeredHost } from './pagehost.js';
import type { WidgetSession } from './session.js';

const COPY: ICodeAction = { label: 'Copy', run: code => void navigator.clipboard.writeText(code) };

/** Returns what the components need, in the output of a cell. */
export function hostFor({ api, connection: { isDirect } }: WidgetSession): IHost {
  const page = offeredHost();
  return {
    Icon,
    codeActions: page?.codeActions ?? [COPY],
    focusesInput: false,
    createMarkdown: page?.createMarkdown ?? (() => new MarkdownView()),
    // These are about chats of the page's own server.
    openBeside: isDirect ? page?.openBeside : undefined,
    openDesktop: isDirect ? page?.openDesktop : undefined,
    fileURL: fileId => (pageServer()?.baseUrl ?? '') + filePath(fileId),
    fileBlob: isDirect ? undefined : fileId => api.fileBlob(fileId),
    fileText: fileId => api.fileText(fileId)
  };
}
