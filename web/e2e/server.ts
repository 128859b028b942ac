// The real binary, started for tests: a free port, a data folder and a configuration of its own.
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';

const binary = process.env['TEST_HULOTTE_BIN'] ?? path.resolve(import.meta.dirname, '../../bin/hulotte');

export interface Server {
  /** The application's address, with a slash at its end. */
  url: string;
  /** When the process was started, in milliseconds of Date.now(). */
  startedAt: number;
  stop: () => Promise<void>;
}

export interface Start {
  /** "/obs" serves everything under that path. */
  basePath?: string;
  /** Scrapes itself, a target that refuses and one that is dropped, as the targets page wants to show. */
  scrape?: boolean;
  /** More of the configuration file, as it stands there. */
  config?: string;
  /** Looks for services of this machine; what else runs there then shows on the pages. */
  discovery?: boolean;
}

async function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const s = createServer();
    s.on('error', reject);
    s.listen(0, '127.0.0.1', () => {
      const address = s.address();
      s.close(() => (typeof address === 'object' && address ? resolve(address.port) : reject(new Error('no port'))));
    });
  });
}

export async function startServer(o: Start = {}): Promise<Server> {
  const port = await freePort();
  const dir = mkdtempSync(path.join(tmpdir(), 'hulotte-web-'));
  const url = `http://127.0.0.1:${port}${o.basePath ?? ''}/`;
  const config = path.join(dir, 'hulotte.yml');
  writeFileSync(config, [
    ...(o.basePath ? ['server:', `  external_url: ${url}`] : []),
    ...(o.scrape ? [
      'scrape_configs:',
      '  - job_name: itself',
      '    scrape_interval: 2s',
      '    scrape_timeout: 2s',
      `    metrics_path: ${o.basePath ?? ''}/metrics`,
      '    static_configs:',
      `      - targets: ['127.0.0.1:${port}']`,
      '        labels: {env: prod}',
      '  - job_name: refused',
      '    scrape_interval: 2s',
      '    scrape_timeout: 1s',
      '    static_configs:',
      "      - targets: ['127.0.0.1:1']",
      '        labels: {env: dev}',
      '  - job_name: unwanted',
      '    static_configs:',
      "      - targets: ['127.0.0.1:2']",
      '    relabel_configs:',
      '      - {action: drop, source_labels: [__address__], regex: .*}',
    ] : []),
    ...(o.config ? [o.config] : []),
    '',
  ].join('\n'));
  // Settings of whoever runs the tests, such as HULOTTE_LOG_LEVEL, are not those of the process.
  const env = Object.fromEntries(Object.entries(process.env).filter(([k]) => !k.startsWith('HULOTTE_')));
  if (!o.discovery) env['HULOTTE_MONITORING_DISCOVERY_ENABLED'] = 'false';
  const startedAt = Date.now();
  const child = spawn(binary, ['--config', config, '--listen', `127.0.0.1:${port}`, '--data-dir', path.join(dir, 'data')], { stdio: ['ignore', 'pipe', 'pipe'], env });
  let log = '';
  child.stdout.on('data', (b: Buffer) => { log += b.toString(); });
  child.stderr.on('data', (b: Buffer) => { log += b.toString(); });
  const stop = () => stopChild(child).finally(() => rmSync(dir, { recursive: true, force: true }));
  try {
    await ready(child, `${url}-/ready`);
  } catch (e) {
    await stop();
    throw new Error(`${binary} did not become ready: ${e instanceof Error ? e.message : String(e)}\n${log.slice(-4000)}`);
  }
  return { url, startedAt, stop };
}

async function ready(child: ChildProcess, url: string): Promise<void> {
  const until = Date.now() + 20_000;
  for (;;) {
    if (child.exitCode !== null) throw new Error(`it ended with code ${child.exitCode}`);
    try {
      if ((await fetch(url)).ok) return;
    } catch { /* not listening yet */ }
    if (Date.now() > until) throw new Error('it took more than 20 s');
    await new Promise((r) => setTimeout(r, 50));
  }
}

async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const ended = new Promise<void>((r) => child.once('exit', () => r()));
  child.kill('SIGTERM');
  const late = setTimeout(() => child.kill('SIGKILL'), 10_000);
  await ended;
  clearTimeout(late);
}
