import { CHATS, type Fetch } from '../client/restapi.js';
import type { OpenSocket } from '../client/socket.js';
import type { IPageServer } from './page.js';

/** How a widget reaches its server: from the page itself, or through its kernel. Paths are relative to the base URL. */
export interface IConnection {
  readonly isDirect: boolean;
  readonly fetch: Fetch;
  readonly openSocket: OpenSocket;
  dispose(): void;
}

/** Returns the connection of a page to its own server, with the page's own rights. */
export function directConnection({ baseUrl, token }: IPageServer): IConnection {
  return {
    isDirect: true,
    fetch: (path, init = {}) =>
      fetch(baseUrl + path, { ...init, headers: { ...credentials(token), ...init.headers } }),
    openSocket: path => {
      const url = new URL(path, baseUrl.replace(/^http/, 'ws'));
      if (token) {
        url.searchParams.append('token', token); // a browser cannot set headers here
      }
      return new WebSocket(url);
    },
    dispose: () => {}
  };
}

/** Returns whether this is the server that the chat is on; a kernel, or a file, may belong to another one. */
export async function hasChat({ fetch }: IConnection, chatId: string): Promise<boolean> {
  try {
    return (await fetch(`${CHATS}/${encodeURIComponent(chatId)}`)).ok;
  } catch {
    return false; // a kernel, where there is one, is asked then, and says what is wrong
  }
}

/** What JupyterLab's own requests have, too. */
function credentials(token: string): Record<string, string> {
  const xsrf = /(?:^|; )_xsrf=([^;]*)/.exec(document.cookie)?.[1];
  return { ...(token && { Authorization: `token ${token}` }), ...(xsrf && { 'X-XSRFToken': xsrf }) };
}
