// The last step of `npm run build`: takes what Vite wrote to .out, and fills dist, which the Go binary embeds.
// What compresses is stored as .br and .gz only; a client that accepts neither gets the .gz unpacked by the server.
import fs from 'node:fs';
import path from 'node:path';
import zlib from 'node:zlib';
import { promisify } from 'node:util';
import { licences } from './licences.mjs';
import { measure, report } from './budget.mjs';

const brotli = promisify(zlib.brotliCompress);
const gzip = promisify(zlib.gzip);
const out = '.out';
const dist = 'dist';

const files = (dir) => fs.readdirSync(dir, { withFileTypes: true })
  .flatMap((e) => (e.isDirectory() ? files(path.join(dir, e.name)) : [path.join(dir, e.name)]));

for (const name of fs.readdirSync(dist)) {
  if (name !== 'README') fs.rmSync(path.join(dist, name), { recursive: true });
}
const manifest = JSON.parse(fs.readFileSync(path.join(out, 'manifest.json'), 'utf8'));
fs.rmSync(path.join(out, 'manifest.json'));
fs.writeFileSync(path.join(out, 'third-party-licences.txt'), licences());

const total = { raw: 0, gz: 0, br: 0, stored: 0 };
await Promise.all(files(out).map(async (file) => {
  const body = fs.readFileSync(file);
  const to = path.join(dist, path.relative(out, file));
  fs.mkdirSync(path.dirname(to), { recursive: true });
  total.raw += body.length;
  if (file.endsWith('.html') || !/\.(js|css|svg|json|txt|webmanifest)$/.test(file)) {
    fs.writeFileSync(to, body);
    total.gz += body.length;
    total.br += body.length;
    total.stored += body.length;
    return;
  }
  const params = { [zlib.constants.BROTLI_PARAM_QUALITY]: 11, [zlib.constants.BROTLI_PARAM_SIZE_HINT]: body.length };
  const [br, gz] = await Promise.all([brotli(body, { params }), gzip(body, { level: 9 })]);
  fs.writeFileSync(`${to}.br`, br);
  fs.writeFileSync(`${to}.gz`, gz);
  total.br += br.length;
  total.gz += gz.length;
  total.stored += br.length + gz.length;
}));
fs.rmSync(out, { recursive: true });
const sizes = measure(manifest, dist, total.br);
fs.writeFileSync('.sizes.json', `${JSON.stringify(sizes, null, 1)}\n`);
report(sizes);
console.log('dist:', Object.entries(total).map(([k, v]) => `${k} ${(v / 1024).toFixed(1)} KiB`).join(', '));
