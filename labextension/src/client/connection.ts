import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';

import type { Get } from './restapi.js';

/** Returns a `Get` for the server that *settings* describe, with its credentials and XSRF header. */
export function getFrom(settings: ServerConnection.ISettings): Get {
  return path => ServerConnection.makeRequest(URLExt.join(settings.baseUrl, path), {}, settings);
}
