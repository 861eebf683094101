/** The Jupyter server that a page belongs to. */

export interface IPageServer {
  /** With a slash at the end; on the page's own origin. */
  readonly baseUrl: string;
  /** Empty where a cookie lets the page in. */
  readonly token: string;
  /** Of the package that the server has; empty where it has none. */
  readonly version: string;
}

/** Returns the server that the page's configuration names; `undefined` for a page of something else. */
export function pageServer(page: Document = document): IPageServer | undefined {
  const config = page.getElementById('jupyter-config-data')?.textContent;
  if (!config) {
    return undefined;
  }
  const { baseUrl, token, jupyterChatdVersion } = JSON.parse(config) as Record<string, unknown>;
  const url = new URL(typeof baseUrl === 'string' ? baseUrl : '/', page.location.href);
  return url.origin === page.location.origin
    ? { baseUrl: url.href.replace(/\/*$/, '/'), token: textOf(token), version: textOf(jupyterChatdVersion) }
    : undefined;
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
