// The real binary on a free port in a temporary folder. HULOTTE_BIN names one that is built already; else it is built once.
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

export interface Hulotte { url: string; started: number; log: () => string; stop: () => Promise<void> }

export async function startHulotte(config = ''): Promise<Hulotte> {
  const dir = mkdtempSync(join(tmpdir(), 'hulotte-e2e-'));
  const port = await freePort();
  const args = ['--data-dir', join(dir, 'data'), '--listen', `127.0.0.1:${port}`];
  if (config) {
    writeFileSync(join(dir, 'hulotte.yml'), config);
    args.push('--config', join(dir, 'hulotte.yml'));
  }
  const binary = binaryPath();
  const started = Date.now();
  // Settings of whoever runs the tests are not those of the process.
  const env = Object.fromEntries(Object.entries(process.env).filter(([k]) => !k.startsWith('HULOTTE_')));
  const child = spawn(binary, args, { stdio: ['ignore', 'pipe', 'pipe'], env });
  let log = '';
  child.stdout.on('data', (b: Buffer) => { log += b.toString(); });
  child.stderr.on('data', (b: Buffer) => { log += b.toString(); });
  const url = `http://127.0.0.1:${port}`;
  await ready(url, child, () => log);
  return {
    url, started, log: () => log,
    stop: async () => {
      if (child.exitCode === null) {
        const gone = new Promise((done) => child.once('exit', done));
        child.kill('SIGTERM');
        await gone;
      }
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

function binaryPath(): string {
  const given = process.env['HULOTTE_BIN'];
  if (given) return given;
  const out = join(tmpdir(), `hulotte-e2e-binary-${process.getuid?.() ?? 0}`);
  execFileSync('go', ['build', '-o', out, './cmd/hulotte'], { cwd: resolve(import.meta.dirname, '../../..'), stdio: 'inherit' });
  return out;
}

function freePort(): Promise<number> {
  return new Promise((done, failed) => {
    const server = createServer();
    server.once('error', failed);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => done(port));
    });
  });
}

async function ready(url: string, child: ChildProcess, log: () => string): Promise<void> {
  for (let i = 0; i < 600; i++) {
    if (child.exitCode !== null) throw new Error(`hulotte ended with ${child.exitCode}:\n${log()}`);
    try {
      if ((await fetch(`${url}/-/ready`)).ok) return;
    } catch { /* not listening yet */ }
    await new Promise((r) => setTimeout(r, 50));
  }
  throw new Error(`hulotte is not ready after 30 s:\n${log()}`);
}
