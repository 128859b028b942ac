// The licence texts of what is shipped to browsers: every package that the bundle can reach from the list below.
import fs from 'node:fs';
import path from 'node:path';

const shipped = [
  'svelte', 'uplot', '@codemirror/autocomplete', '@codemirror/commands', '@codemirror/language', '@codemirror/lint',
  '@codemirror/state', '@codemirror/view', '@lezer/highlight', '@prometheus-io/codemirror-promql', '@prometheus-io/lezer-promql',
  '@fontsource-variable/inter', '@fontsource-variable/jetbrains-mono',
];

function folder(name, from) {
  for (let dir = from; ; dir = path.dirname(dir)) {
    const candidate = path.join(dir, 'node_modules', name);
    if (fs.existsSync(path.join(candidate, 'package.json'))) return candidate;
    if (dir === path.dirname(dir)) return null;
  }
}

export function licences(root = process.cwd()) {
  const found = new Map();
  const visit = (name, from) => {
    const dir = folder(name, from);
    if (!dir || found.has(dir)) return;
    const pkg = JSON.parse(fs.readFileSync(path.join(dir, 'package.json'), 'utf8'));
    const file = fs.readdirSync(dir).find((f) => /^(licen[cs]e|copying)/i.test(f));
    const text = file ? fs.readFileSync(path.join(dir, file), 'utf8').trim() : `Licence: ${pkg.license ?? 'not stated'} (the package ships no licence text)`;
    found.set(dir, { title: `${pkg.name} ${pkg.version} (${pkg.license ?? 'see below'})`, text });
    // Of Svelte only the runtime is shipped; its compiler, with what that needs, is not.
    const deps = name === 'svelte' ? ['clsx', 'esm-env'] : Object.keys(pkg.dependencies ?? {});
    for (const dep of deps) visit(dep, dir);
  };
  for (const name of shipped) {
    if (!folder(name, root)) throw new Error(`licences: ${name} is listed as shipped but not installed: mend the list or run npm ci`);
    visit(name, root);
  }
  const rule = '='.repeat(80);
  return [...found.values()].sort((a, b) => a.title.localeCompare(b.title))
    .map(({ title, text }) => `${rule}\n${title}\n${rule}\n${text}\n`).join('\n');
}
