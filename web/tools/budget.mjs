// How many bytes a browser must fetch, and how many it may (docs/web.md says why these). `npm run build` measures and prints;
// `npm run budget` fails when a limit is passed.
import fs from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const KB = 1024;
/** Gzip sizes, but for the embedded total, which is Brotli. */
export const limits = {
  'shell and landing page, JS and CSS': 90 * KB,
  'largest route chunk': 40 * KB,
  'largest route, all that it needs beyond the shell': 60 * KB,
  'largest part that a page loads later, beyond the page': 60 * KB,
  'wall, a page of its own, JS and CSS': 60 * KB,
  'public status page, JS and CSS': 40 * KB,
  'editor': 150 * KB,
  'editor of LogQL': 150 * KB,
  'fonts on a first visit': 100 * KB,
  'everything embedded (br)': 1536 * KB,
};

const landing = 'src/pages/Overview.svelte';
const editor = 'src/ui/promeditor.ts';
const logEditor = 'src/ui/logqleditor.ts';

export function measure(manifest, dist, embedded) {
  const gz = (file) => {
    const packed = path.join(dist, `${file}.gz`);
    return fs.statSync(fs.existsSync(packed) ? packed : path.join(dist, file)).size;
  };
  // The files that a chunk cannot run without: itself, what it imports at once, their style sheets.
  const needs = (key, found = new Set()) => {
    const chunk = manifest[key];
    if (!chunk || found.has(chunk.file)) return found;
    found.add(chunk.file);
    for (const css of chunk.css ?? []) found.add(css);
    for (const next of chunk.imports ?? []) needs(next, found);
    return found;
  };
  const sum = (files) => [...files].reduce((n, f) => n + gz(f), 0);
  const shell = needs('index.html');
  const beyond = (key, ...known) => [...needs(key)].filter((f) => !known.some((k) => k.has(f)));
  const entries = Object.keys(manifest).filter((k) => k.startsWith('src/pages/') && manifest[k].isDynamicEntry);
  const isPage = (k) => k.split('/').length === 3; // what lies in a folder is a part of a page
  const routes = Object.fromEntries(entries.filter(isPage).map((k) => [path.basename(k, '.svelte'), { chunk: gz(manifest[k].file), all: sum(beyond(k, shell)) }]));
  const pageOf = (part) => entries.find((k) => isPage(k) && (manifest[k].dynamicImports ?? []).includes(part));
  const parts = Object.fromEntries(entries.filter((k) => !isPage(k)).map((k) => [path.basename(k, '.svelte'), { chunk: gz(manifest[k].file), all: sum(beyond(k, shell, needs(pageOf(k)))) }]));
  const fonts = Object.values(manifest).map((c) => c.file).concat(...Object.values(manifest).map((c) => c.assets ?? [])).filter((f) => /(inter|mono)-latin-wght.*woff2$/.test(f));
  return {
    measured: {
      'shell and landing page, JS and CSS': sum(shell) + sum(beyond(landing, shell)),
      'largest route chunk': Math.max(0, ...Object.values(routes).map((r) => r.chunk)),
      'largest route, all that it needs beyond the shell': Math.max(0, ...Object.values(routes).map((r) => r.all)),
      'largest part that a page loads later, beyond the page': Math.max(0, ...Object.values(parts).map((r) => r.all)),
      'wall, a page of its own, JS and CSS': sum(needs('wall.html')),
      'public status page, JS and CSS': sum(needs('status.html')),
      'editor': sum(beyond(editor, shell)),
      'editor of LogQL': sum(beyond(logEditor, shell)),
      'fonts on a first visit': sum(new Set(fonts)),
      'everything embedded (br)': embedded,
    },
    shell: sum(shell),
    routes,
    parts,
  };
}

export function over(sizes) {
  return Object.entries(limits).filter(([name, limit]) => !(sizes.measured[name] > 0 && sizes.measured[name] <= limit)).map(([name, limit]) => `${name}: ${kb(sizes.measured[name])}, the limit is ${kb(limit)}`);
}

const kb = (n) => `${(n / KB).toFixed(1)} KiB`;

export function report(sizes) {
  for (const [name, limit] of Object.entries(limits)) console.log(`${name.padEnd(54)} ${kb(sizes.measured[name]).padStart(11)} of ${kb(limit)}`);
  for (const [name, r] of Object.entries(sizes.routes)) console.log(`  ${name.padEnd(52)} ${kb(r.chunk).padStart(11)} chunk, ${kb(r.all)} with what it needs`);
  for (const [name, r] of Object.entries(sizes.parts)) console.log(`  part ${name.padEnd(47)} ${kb(r.chunk).padStart(11)} chunk, ${kb(r.all)} beyond its page`);
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const sizes = JSON.parse(fs.readFileSync('.sizes.json', 'utf8'));
  report(sizes);
  const wrong = over(sizes);
  for (const w of wrong) console.error(`over budget: ${w}`);
  process.exitCode = wrong.length > 0 ? 1 : 0;
}
