// A server without the binary: the built pages, and checks that do what a test says. For what a real engine shows only after minutes: a large fleet,
// a storm of changes, a stream that dies. It speaks the API of docs/checks-api.md as far as pages ask.
import { readFileSync, existsSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import path from 'node:path';
import { brotliDecompressSync } from 'node:zlib';
import type { Change, Downtime, HostSpec, Service, View, Word } from '../../src/lib/checks/types';

const dist = path.resolve(import.meta.dirname, '../../dist');
const iso = (ms: number) => new Date(ms).toISOString();

export interface MockCheck { id: string; status?: Word; output?: string; long?: string; minutes?: number; labels?: Record<string, string>; groups?: string[]; handled?: View['handled']; by?: string; hard?: boolean; attempt?: number; kind?: string; service?: string; patch?: Partial<View> }

export class Mock {
  checks = new Map<string, View>();
  hosts = new Map<string, HostSpec>();
  changes = new Map<string, Change[]>();
  downtimes: Downtime[] = [];
  services: Service[] = [];
  network: Record<string, unknown>[] = [];
  neighbours: { nodes: unknown[]; links: unknown[] } = { nodes: [], links: [] };
  /** What an instant query answers. */
  vector: { metric: Record<string, string>; value: unknown[] }[] = [];
  statusPage: unknown = null;
  /** Answers for other parts of the API, by the path below /api/hulotte/v1/, or the whole of another; undefined where it has none. */
  answers: (name: string, q: URLSearchParams) => unknown = () => undefined;
  /** Every request of an action, as it came. */
  asked: { path: string; body: Record<string, unknown> }[] = [];
  requests = 0;
  /** Refuses everything: the server is away. */
  away = false;
  url = '';
  #streams = new Set<ServerResponse>();
  #seq = 1;
  #nextDowntime = 1;

  add(c: MockCheck): void {
    const [host, name] = c.id.split('/') as [string, string];
    const since = Date.now() - (c.minutes ?? 90) * 60_000;
    const status = c.status ?? 'OK';
    const labels = { host, check: name, ...c.labels };
    if (!this.hosts.has(host)) this.hosts.set(host, { name: host, address: `10.0.0.${this.hosts.size % 250}`, labels: c.labels ?? {}, source: 'config' });
    this.checks.set(c.id, {
      id: c.id, spec: { host, name, kind: c.kind ?? (name === 'host' ? 'icmp' : 'http'), groups: c.groups ?? [], interval: '1m0s', retry_interval: '15s', max_attempts: 3, source: 'config', ...(c.service ? { service: c.service } : {}) },
      status, hard: c.hard ?? true, attempt: c.attempt ?? (status === 'OK' ? 1 : 3), hard_status: status, since: iso(since), hard_since: iso(since), last_check: iso(Date.now() - 20_000), last_ok: status === 'OK' ? iso(Date.now() - 20_000) : iso(since),
      output: c.output ?? (status === 'OK' ? `${status} - fine` : `${status} - ${name} does not answer`), ...(c.long ? { long_output: c.long } : {}), perf: [{ label: 'time', value: 0.012, unit: 's', warn: '0.5', crit: '1' }], duration: '12.5ms',
      flapping: false, flap_percent: 0, unreachable: false, stale: false, max_attempts: 3, next_check: iso(Date.now() + 40_000), latency: '1.2ms', labels, held: false, running: false,
      ...(c.handled ? { handled: c.handled } : {}), ...(c.handled === 'acknowledged' ? { ack: { by: c.by ?? 'ana', comment: 'on it', at: iso(Date.now() - 600_000), sticky: false } } : {}), ...c.patch,
    });
  }

  /** Changes a check, and tells open pages. */
  set(id: string, patch: Partial<View>): void {
    const v = this.checks.get(id);
    if (!v) throw new Error(`no check ${id}`);
    const from = v.status;
    this.checks.set(id, { ...v, ...(patch.status && patch.status !== from ? { since: iso(Date.now()), handled: '' as const, ack: undefined as never } : {}), ...patch });
    const [host, name] = id.split('/') as [string, string];
    this.changes.set(id, [{ at: iso(Date.now()), host, name, type: 'state', from, to: patch.status ?? from, hard: true, attempt: 3, output: patch.output ?? v.output, tell: true }, ...(this.changes.get(id) ?? [])]);
    this.news();
  }
  news(topic = 'checks'): void {
    for (const s of this.#streams) s.write(`id: mock-${this.#seq++}\nevent: ${topic}\ndata: {"time": ${Date.now() / 1000}, "skipped": 0}\n\n`);
  }
  /** Ends every stream of live events. */
  cut(): void {
    for (const s of this.#streams) s.destroy();
    this.#streams.clear();
  }

  handle(req: IncomingMessage, res: ServerResponse): void {
    const url = new URL(req.url ?? '/', 'http://mock');
    this.requests++;
    if (this.away) { req.socket.destroy(); return; }
    if (url.pathname.startsWith('/api/') || url.pathname.startsWith('/loki/')) {
      let body = '';
      req.on('data', (b: Buffer) => { body += b.toString(); });
      req.on('end', () => this.#api(url, req, body, res));
      return;
    }
    this.#file(url.pathname, res);
  }

  #file(name: string, res: ServerResponse): void {
    const types: Record<string, string> = { '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.html': 'text/html; charset=utf-8', '.woff2': 'font/woff2' };
    const page = name === '/wall' ? 'wall.html' : name.startsWith('/status/') ? 'status.html' : 'index.html';
    const clean = path.normalize(name).replace(/^\/+/, '');
    for (const [file, packed] of [[path.join(dist, clean), false], [path.join(dist, `${clean}.br`), true]] as const) {
      if (clean === '' || !existsSync(file)) continue;
      const bytes = readFileSync(file);
      res.writeHead(200, { 'Content-Type': types[path.extname(clean)] ?? 'application/octet-stream' }).end(packed ? brotliDecompressSync(bytes) : bytes);
      return;
    }
    if (clean.startsWith('assets/')) { res.writeHead(404).end(); return; }
    const html = readFileSync(path.join(dist, existsSync(path.join(dist, page)) ? page : 'index.html'), 'utf8').replace('<head>', '<head><base href="/">');
    res.writeHead(200, { 'Content-Type': types['.html']! }).end(html);
  }

  #api(url: URL, req: IncomingMessage, text: string, res: ServerResponse): void {
    const q = url.searchParams;
    const send = (data: unknown, code = 200) => { res.writeHead(code, { 'Content-Type': 'application/json' }).end(JSON.stringify(data)); };
    const ok = (data: unknown) => send({ status: 'success', data });
    const name = url.pathname.replace('/api/hulotte/v1/', '');
    const isJSON = (req.headers['content-type'] ?? '').includes('json');
    const body = text && isJSON ? (JSON.parse(text) as Record<string, unknown>) : {};
    if (req.method === 'POST' && isJSON) this.asked.push({ path: name, body });
    const ids = (body['checks'] as string[] | undefined) ?? [];
    const answer = this.answers(name, isJSON || !text ? q : new URLSearchParams(text));
    if (answer !== undefined) return ok(answer);
    switch (name) {
      case 'live':
        res.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
        res.write(`retry: 500\nevent: hello\ndata: {"version": "mock", "time": ${Date.now() / 1000}}\n\n`);
        this.#streams.add(res);
        res.on('close', () => this.#streams.delete(res));
        return;
      case 'checks': return ok({ at: iso(Date.now()), summary: this.summary(), checks: this.views(q) });
      case 'check': {
        const view = this.checks.get(q.get('id') ?? '');
        if (!view) return send({ error: { kind: 'not_found', message: `no check ${q.get('id')}` } }, 404);
        return ok({
          view, host: this.hosts.get(view.spec.host), dependents: view.spec.name === 'host' ? [...this.checks.keys()].filter((k) => k.startsWith(`${view.spec.host}/`) && k !== view.id) : [],
          explain: { id: view.id, why: [`It is ${view.status} since ${view.since}: ${view.output}`, 'It was seen three times in a row, so it is confirmed.'], parents: view.spec.name === 'host' ? [] : [{ id: `${view.spec.host}/host`, status: 'OK', hard: true }], results: [{ at: iso(Date.now() - 20_000), status: view.status, duration: '12.5ms', by: 'schedule' }], downtimes: this.downtimes.filter((d) => d.checks?.includes(view.id)) },
        });
      }
      case 'check/history': return ok({ changes: this.changes.get(q.get('id') ?? '') ?? [] });
      case 'check/timeline': {
        const [from, to] = [Number(q.get('from')), Number(q.get('to'))];
        const cut = from + (to - from) * 0.7;
        const status = this.checks.get(q.get('id') ?? '')?.status ?? 'OK';
        return ok({ spans: [{ from: iso(from * 1000), to: iso(cut * 1000), status: 'OK', hard: true, handled: false }, { from: iso(cut * 1000), to: iso(to * 1000), status, hard: true, handled: false }], availability: { OK: status === 'OK' ? 1 : 0.7, ...(status === 'OK' ? {} : { [status]: 0.3 }) } });
      }
      case 'checks/ack':
        for (const id of ids) this.set(id, { ack: { by: 'web', comment: String(body['comment']), at: iso(Date.now()), sticky: body['sticky'] === true, ...(body['until'] ? { until: String(body['until']) } : {}) }, handled: 'acknowledged' });
        return ok({});
      case 'checks/unack': for (const id of ids) this.set(id, { ack: undefined as never, handled: '' }); return ok({});
      case 'checks/recheck': for (const id of ids) this.set(id, { last_check: iso(Date.now()) }); return ok({});
      case 'checks/comment': return ok({});
      case 'downtimes': {
        if (req.method !== 'POST') return ok({ downtimes: this.downtimes });
        const d = { ...(body as unknown as Downtime), id: `d${this.#nextDowntime++}`, by: 'web', created: iso(Date.now()) };
        this.downtimes = [...this.downtimes, d];
        if (!d.every && Date.parse(d.start) <= Date.now()) for (const id of this.fits(d)) this.set(id, { handled: 'downtime', downtimes: [d.id] });
        return ok(d);
      }
      case 'downtimes/preview': {
        const d = body as unknown as Downtime;
        const days = d.every ? [0, 7, 14] : [0];
        return ok({ checks: this.fits(d), next: days.map((n) => ({ start: iso(Date.parse(d.start) + n * 86_400_000), end: iso(Date.parse(d.end) + n * 86_400_000) })) });
      }
      case 'downtimes/end': this.downtimes = this.downtimes.filter((d) => d.id !== body['id']); this.news(); return ok({});
      case 'hosts-checked': return ok({ hosts: [...this.hosts.values()].map((host) => {
        const own = [...this.checks.values()].filter((v) => v.spec.host === host.name);
        const sev = (w: Word) => ['OK', 'PENDING', 'WARNING', 'UNKNOWN', 'CRITICAL'].indexOf(w);
        return { host, view: this.checks.get(`${host.name}/host`) ?? null, worst: own.reduce<Word>((w, v) => (sev(v.status) > sev(w) ? v.status : w), 'OK'), checks: own.length, problems: own.filter((v) => !['OK', 'PENDING'].includes(v.status) && !v.handled).length };
      }) });
      case 'services': return ok({ services: this.services.filter((s) => !q.get('name') || s.id === q.get('name') || s.name === q.get('name')) });
      case 'network': return ok({ devices: this.network });
      case 'network/neighbours': return ok(this.neighbours);
      case 'status-pages': return ok({ pages: this.statusPage ? [{ slug: 'shop', title: 'Example Shop' }] : [] });
      case 'status-pages/incident': {
        const page = this.statusPage as { incidents: Record<string, unknown>[] };
        page.incidents = [{ id: `i${page.incidents.length + 1}`, title: body['title'], resolved: body['state'] === 'resolved', started: iso(Date.now()), updates: [{ at: iso(Date.now()), state: body['state'], text: body['text'] }] }, ...page.incidents];
        return ok({});
      }
      case 'status-page': return this.statusPage ? ok(this.statusPage) : send({ error: { kind: 'not_found', message: 'no such page' } }, 404);
      default: break;
    }
    if (url.pathname === '/api/v1/query_range') return ok({ resultType: 'matrix', result: this.#series(new URLSearchParams(text || url.search)) });
    if (url.pathname === '/api/v1/query') return ok({ resultType: 'vector', result: this.vector.filter((s) => !text.includes('instance%3D%22') || text.includes(`instance%3D%22${s.metric['instance']}%22`)) });
    if (url.pathname.startsWith('/loki/')) return ok(url.pathname.includes('query') ? { resultType: 'streams', result: [] } : []);
    if (url.pathname.startsWith('/api/v1/')) return ok([]);
    send({ error: { kind: 'not_found', message: `the mock has no ${url.pathname}` } }, 404);
  }

  #series(q: URLSearchParams): unknown[] {
    const [start, end, step] = ['start', 'end', 'step'].map((k) => Number(q.get(k))) as [number, number, number];
    const query = q.get('query') ?? '';
    const values: [number, string][] = [];
    const scale = /network|ifHC|octets/i.test(query) ? 4e7 : 0.02;
    for (let t = start, i = 0; t <= end && i < 2000; t += step, i++) values.push([t, String(scale * (1 + 0.5 * Math.sin(t / 300) + 0.2 * Math.sin(t / 47)))]);
    return [{ metric: { __name__: query.split(/[{(]/)[0] ?? '', label: 'time', unit: 's' }, values }];
  }

  fits(d: Downtime): string[] {
    return [...this.checks.keys()].filter((id) => (d.checks ?? []).some((c) => c === '*' || c === id || (c.endsWith('/*') && id.startsWith(c.slice(0, -1)))));
  }

  views(q: URLSearchParams): View[] {
    let list = [...this.checks.values()];
    if (q.get('problem')) list = list.filter((v) => v.status !== 'OK' && v.status !== 'PENDING');
    if (q.get('unhandled')) list = list.filter((v) => !v.handled);
    if (q.get('host')) list = list.filter((v) => v.spec.host === q.get('host'));
    if (q.get('service')) list = list.filter((v) => v.spec.name === q.get('service') || v.spec.service === q.get('service'));
    if (q.get('q')) list = list.filter((v) => `${v.id} ${v.output}`.includes(q.get('q')!));
    return list.slice(0, Number(q.get('limit') ?? 1000));
  }

  summary(): Record<string, unknown> {
    const checks: Record<string, number> = { OK: 0, WARNING: 0, CRITICAL: 0, UNKNOWN: 0, PENDING: 0 };
    const unhandled: Record<string, number> = {};
    const handled: Record<string, number> = {};
    const hosts = { up: 0, down: 0, unreachable: 0, pending: 0 };
    for (const v of this.checks.values()) {
      checks[v.status] = (checks[v.status] ?? 0) + 1;
      if (v.spec.name === 'host') hosts[v.status === 'OK' ? 'up' : v.status === 'PENDING' ? 'pending' : v.unreachable ? 'unreachable' : 'down']++;
      if (v.status === 'OK' || v.status === 'PENDING') continue;
      const to = v.handled ? handled : unhandled;
      to[v.status] = (to[v.status] ?? 0) + 1;
    }
    return { hosts, checks, unhandled, handled };
  }
}

export async function startMock(fill: (m: Mock) => void): Promise<{ mock: Mock; url: string; stop: () => Promise<void> }> {
  const mock = new Mock();
  fill(mock);
  const server = createServer((req, res) => mock.handle(req, res));
  await new Promise<void>((r) => { server.listen(0, '127.0.0.1', r); });
  const address = server.address();
  if (typeof address !== 'object' || !address) throw new Error('no port');
  mock.url = `http://127.0.0.1:${address.port}/`;
  return { mock, url: mock.url, stop: async () => { mock.cut(); server.closeAllConnections(); await new Promise<void>((r) => { server.close(() => r()); }); } };
}

/** A site with a few troubles in it. */
export function site(m: Mock): void {
  const roles = ['web', 'db', 'cache', 'queue', 'mail'];
  for (let i = 0; i < 30; i++) {
    const role = roles[i % roles.length]!;
    const host = `${role}-${String(Math.floor(i / roles.length) + 1).padStart(2, '0')}`;
    const labels = { env: i % 4 === 0 ? 'staging' : 'prod', role };
    m.add({ id: `${host}/host`, labels, groups: [role], minutes: 9000 + i });
    for (const name of ['ssh', 'disk', 'load', role === 'web' ? 'http' : role === 'db' ? 'postgresql' : role === 'cache' ? 'redis' : role === 'queue' ? 'amqp' : 'smtp']) m.add({ id: `${host}/${name}`, labels, groups: [role], minutes: 4000 + i * 7, kind: name });
  }
  const trouble = (c: MockCheck) => { const v = m.checks.get(c.id)!; m.add({ ...c, labels: Object.fromEntries(Object.entries(v.labels ?? {}).filter(([k]) => k !== 'host' && k !== 'check')), groups: v.spec.groups ?? [], kind: v.spec.kind }); };
  trouble({ id: 'db-02/postgresql', status: 'CRITICAL', output: 'CRITICAL - connection refused by 10.0.0.6:5432', minutes: 4, long: 'Tried 10.0.0.6:5432\nECONNREFUSED\nlast answer 4 minutes ago' });
  trouble({ id: 'web-03/http', status: 'CRITICAL', output: 'CRITICAL - HTTP 502 Bad Gateway in 0.214 s', minutes: 17 });
  trouble({ id: 'mail-04/host', status: 'CRITICAL', output: 'CRITICAL - no answer to 5 of 5 packets', minutes: 63 });
  for (const n of ['ssh', 'disk', 'load', 'smtp']) trouble({ id: `mail-04/${n}`, status: 'CRITICAL', output: `CRITICAL - ${n}: no route to host`, minutes: 62, handled: 'host' });
  trouble({ id: 'cache-05/disk', status: 'WARNING', output: 'WARNING - /var 87 % full (12.1 GB free)', minutes: 321 });
  trouble({ id: 'web-01/load', status: 'WARNING', output: 'WARNING - load 14.2 over 5 minutes on 8 CPUs', minutes: 2, hard: false, attempt: 1 });
  trouble({ id: 'queue-02/amqp', status: 'UNKNOWN', output: 'UNKNOWN - cannot read the password file: permission denied', minutes: 1500 });
  trouble({ id: 'db-05/disk', status: 'CRITICAL', output: 'CRITICAL - /backup 97 % full', minutes: 700, handled: 'acknowledged', by: 'ana' });
  trouble({ id: 'queue-06/load', status: 'WARNING', output: 'WARNING - load 9.1 on 8 CPUs', minutes: 45, handled: 'downtime' });
  m.changes.set('db-02/postgresql', [
    { at: iso(Date.now() - 200_000), host: 'db-02', name: 'postgresql', type: 'state', from: 'CRITICAL', to: 'CRITICAL', hard: true, attempt: 3, output: 'CRITICAL - connection refused by 10.0.0.6:5432', tell: true },
    { at: iso(Date.now() - 240_000), host: 'db-02', name: 'postgresql', type: 'state', from: 'OK', to: 'CRITICAL', hard: false, attempt: 1, output: 'CRITICAL - connection refused by 10.0.0.6:5432', tell: false },
    { at: iso(Date.now() - 9_000_000), host: 'db-02', name: 'postgresql', type: 'comment', from: 'OK', to: 'OK', hard: true, attempt: 1, by: 'ana', comment: 'moved to new disks', tell: false },
  ]);
  m.services = [
    { id: 'nginx', name: 'nginx', kind: 'nginx', title: 'nginx', version: '1.26.3', pids: [812, 813], exe: '/usr/sbin/nginx', cmdline: 'nginx: master process /usr/sbin/nginx', unit: 'nginx.service', listen: [{ network: 'tcp', ip: '127.0.0.1', port: 80, any: true }], address: { network: 'tcp', ip: '127.0.0.1', port: 80 }, state: 'running', since: iso(Date.now() - 8e6), why: ['The process 812 is called nginx.', 'It is asked by HTTP on 127.0.0.1:80.', 'Its stub_status page gives the metrics.'], check: { kind: 'http', options: { url: 'http://127.0.0.1/' } }, metrics: { kind: 'nginx', exporter: 'nginx_exporter', job: 'nginx' }, logs: [{ path: '/var/log/nginx/access.log', format: 'combined' }], source: 'discovery' },
    { id: 'redis@6380', name: 'redis', instance: '6380', kind: 'redis', title: 'Redis', version: '8.0.2', pids: [991], state: 'gone', since: iso(Date.now() - 60_000), seen: iso(Date.now() - 60_000), why: ['The process was called redis-server.'], check: { kind: 'redis' }, source: 'discovery' },
    { id: 'myapp', name: 'myapp', kind: 'node', title: 'myapp', language: 'node', pids: [1200], container: { id: '0123456789abcdef', name: 'myapp', image: 'registry/myapp:3' }, state: 'running', since: iso(Date.now() - 5e6), why: ['The process 1200 runs Node.js.'], check: { kind: 'process' }, source: 'discovery' },
  ];
  const day = (n: number) => new Date(Date.now() - n * 86_400_000).toISOString().slice(0, 10);
  const days = (bad: Record<number, number>) => Array.from({ length: 80 }, (_, i) => ({ day: day(79 - i), status: bad[79 - i] ? ('CRITICAL' as const) : ('OK' as const), down_seconds: bad[79 - i] ?? 0 }));
  m.statusPage = {
    title: 'Example Shop', at: iso(Date.now()),
    groups: [
      { name: 'Shop', items: [{ name: 'Website', status: 'OK', uptime_90d: 0.99972, days: days({ 12: 1400 }) }, { name: 'Checkout', status: 'CRITICAL', uptime_90d: 0.9981, days: days({ 0: 900, 30: 5400 }) }] },
      { name: 'Interfaces', items: [{ name: 'API', status: 'OK', uptime_90d: 1, days: days({}) }, { name: 'Webhooks', status: 'WARNING', uptime_90d: 0.9999, days: days({ 3: 60 }) }] },
    ],
    incidents: [
      { id: 'i2', title: 'Payments are refused', resolved: false, started: iso(Date.now() - 900_000), updates: [{ at: iso(Date.now() - 600_000), state: 'identified', text: 'The payment provider does not answer. We are in contact with them.' }, { at: iso(Date.now() - 900_000), state: 'investigating', text: '' }] },
      { id: 'i1', title: 'Slow pages', resolved: true, started: iso(Date.now() - 12 * 86_400_000), updates: [{ at: iso(Date.now() - 12 * 86_400_000 + 1_400_000), state: 'resolved', text: 'A disk was full.' }] },
    ],
  };
  m.add({ id: 'web-01/redis@6380', status: 'CRITICAL', output: 'CRITICAL - connection refused', minutes: 1, service: 'redis@6380', kind: 'redis' });
}
