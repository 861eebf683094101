/** Builds what draws the widgets, and the loader that a kernel sends with each, into the Python package. */

import { mkdir, readdir, rm } from 'node:fs/promises';

import { build } from 'esbuild';

const OUT = '../jupyter_chatd/widgets/static';
const COMMON = {
  bundle: true,
  charset: 'utf8',
  define: { 'process.env.NODE_ENV': '"production"' },
  format: 'esm',
  jsx: 'transform',
  legalComments: 'eof',
  loader: { '.css': 'text' },
  logLevel: 'warning',
  minify: true,
  outdir: OUT,
  target: 'es2022'
};

await mkdir(OUT, { recursive: true });
await Promise.all((await readdir(OUT)).map(name => rm(`${OUT}/${name}`)));
await build({ ...COMMON, entryPoints: { loader: 'src/widgets/loader.ts' } });
// Names hold a hash of the content: a browser may keep the file, and a kernel finds only its own version.
const HASHED = { ...COMMON, entryNames: '[name]-[hash]' };
// noVNC apart: it is large, and most pages show no desktop.
const { metafile } = await build({
  ...HASHED,
  banner: { js: '/*! noVNC 1.7.0, (C) The noVNC authors, MPL-2.0: https://github.com/novnc/noVNC/tree/v1.7.0 */' },
  entryPoints: { novnc: '@novnc/novnc' },
  metafile: true
});
const [novnc] = Object.keys(metafile.outputs).map(path => path.split('/').pop());
await build({
  ...HASHED,
  define: { ...COMMON.define, NOVNC_FILE: JSON.stringify(novnc) },
  entryPoints: { widgets: 'src/widgets/index.tsx' }
});
