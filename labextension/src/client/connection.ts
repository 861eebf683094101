import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';

import type { Fetch } from './restapi.js';
import type { OpenSocket } from './socket.js';

/** Returns a `Fetch` for the server that *settings* describe, with its credentials and XSRF header. */
export function fetchFrom(settings: ServerConnection.ISettings): Fetch {
  return (path, init = {}) =>
    ServerConnection.makeRequest(URLExt.join(settings.baseUrl, path), init, settings);
}

/** Returns what opens WebSockets of that server. Browsers cannot set headers there, so a token goes into the URL. */
export function openSocketFrom(settings: ServerConnection.ISettings): OpenSocket {
  return path => {
    const url = new URL(URLExt.join(settings.wsUrl, path));
    if (settings.appendToken && settings.token) {
      url.searchParams.append('token', settings.token);
    }
    return new settings.WebSocket(url.href);
  };
}
