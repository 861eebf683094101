/**
 * Returns a path as the server's contents have it: below *root*, without a slash before it.
 *
 * @param root - As the page has it: absolute, `~/…` for a folder in a home that is not told, or empty where the
 *   page does not tell.
 */
export function belowRoot(path: string, root: string): string {
  const folder = root.replace(/\/+$/, '');
  return path.slice(lengthIn(path, folder)).replace(/^(?:\.?\/)+/, '');
}

function lengthIn(path: string, folder: string): number {
  if (!folder.startsWith('~/')) {
    return folder && path.startsWith(`${folder}/`) ? folder.length : 0;
  }
  const belowHome = folder.slice(1);
  const at = path.startsWith('/') ? path.indexOf(`${belowHome}/`, 1) : -1;
  return at > 0 ? at + belowHome.length : 0;
}
