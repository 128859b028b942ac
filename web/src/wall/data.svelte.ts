// What the wall knows, and how old it is. News come by the stream; a slow clock asks anyway, so that silence is never taken for peace.
import { decode, filter, order, summarize, type Check } from '../lib/checks/checks';
import type { HostChecked, ListReply, Summary } from '../lib/checks/types';
import { decodeView } from '../lib/urlstate';

const base = new URL('.', document.baseURI);
const api = (path: string) => new URL(path, base);

const askEvery = 10_000; // ms, without news
const hostsEvery = 30_000;
const trafficEvery = 30_000;
const restLeast = 400; // between two requests, whatever the storm
const patience = 15_000; // for one answer
const mostProblems = 2000;
const day = 24 * 3600_000;
/** Traffic is shown over this long, seconds, in as many points. */
const span = 3600;
const points = 120;

export interface Traffic { in: (number | null)[]; out: (number | null)[] }

export class WallData {
  problems = $state.raw<readonly Check[]>([]);
  summary = $state.raw<Summary | undefined>(undefined);
  hosts = $state.raw<readonly HostChecked[]>([]);
  traffic = $state.raw<Traffic | undefined>(undefined);
  /** Unix seconds of the last good answer; 0 before it. */
  answered = $state(0);
  /** The last request failed, or the stream is away. */
  failing = $state(false);
  error = $state('');
  now = $state(Date.now() / 1000);

  #query = new URLSearchParams(location.search);
  #view = decodeView(this.#query);
  #text = this.#query.get('q') ?? '';
  #stops: (() => void)[] = [];
  #busy = false;
  #dirty = false;
  #version = '';
  #hostsAt = 0;

  get zone() { return this.#view.tz === 'utc' ? 'utc' as const : 'local' as const; }

  start(): () => void {
    const every = (ms: number, fn: () => void) => { const t = setInterval(fn, ms); this.#stops.push(() => clearInterval(t)); };
    every(1000, () => { this.now = Date.now() / 1000; });
    every(askEvery, () => this.ask());
    every(trafficEvery, () => void this.#askTraffic());
    every(day, () => void this.#reload());
    this.ask();
    void this.#askTraffic();
    this.#listen();
    this.#stayAwake();
    return () => { for (const stop of this.#stops) stop(); this.#stops = []; };
  }

  ask(): void {
    if (this.#busy) { this.#dirty = true; return; }
    this.#busy = true;
    this.#dirty = false;
    const wantHosts = Date.now() - this.#hostsAt > (this.#hostsAt === 0 ? 0 : this.failing ? 0 : Math.min(hostsEvery, 5000));
    void Promise.all([this.#get<ListReply>('api/hulotte/v1/checks', { problem: '1', limit: String(mostProblems) }), wantHosts ? this.#get<{ hosts: HostChecked[] | null }>('api/hulotte/v1/hosts-checked', {}) : undefined]).then(([list, hosts]) => {
      const all = (list.checks ?? []).map(decode).sort(order);
      const narrowed = this.#text !== '' || this.#view.scope.length > 0;
      this.problems = narrowed ? filter(all, { text: this.#text, states: [], handled: '', scope: this.#view.scope }) : all;
      this.summary = narrowed ? { ...summarize(this.problems), checks: {} } : list.summary;
      if (hosts) { this.hosts = hosts.hosts ?? []; this.#hostsAt = Date.now(); }
      this.answered = Date.now() / 1000;
      this.now = Date.now() / 1000;
      this.failing = false;
      this.error = '';
    }, (e: unknown) => {
      this.failing = true;
      this.error = e instanceof Error ? e.message : String(e);
    }).finally(() => {
      this.#busy = false;
      if (this.#dirty) setTimeout(() => this.ask(), restLeast);
    });
  }

  async #get<T>(path: string, params: Record<string, string>): Promise<T> {
    const url = api(path);
    url.search = new URLSearchParams(params).toString();
    const response = await fetch(url, { credentials: 'same-origin', signal: AbortSignal.timeout(patience) });
    if (!response.ok) throw new Error(response.status === 401 || response.status === 403 ? 'not allowed: sign in' : `the server answers ${response.status}`);
    const body = (await response.json()) as { status?: string; data?: T };
    return (body.status === 'success' && 'data' in body ? body.data : body) as T;
  }

  // Bytes that machines and devices receive and send, all together, where they are counted.
  async #askTraffic(): Promise<void> {
    const end = Math.floor(Date.now() / 1000);
    const step = span / points;
    const ask = async (node: string, device: string): Promise<(number | null)[]> => {
      const expr = `sum(rate(${node}{device!~"lo|veth.*|docker.*|br-.*|virbr.*|cni.*|flannel.*|cali.*"}[2m])) or sum(rate(${device}[5m]))`;
      const data = await this.#get<{ result?: { values?: [number, string][] }[] }>('api/v1/query_range', { query: expr, start: String(end - span), end: String(end), step: String(step) });
      const out: (number | null)[] = new Array<number | null>(points + 1).fill(null);
      for (const [t, v] of data.result?.[0]?.values ?? []) {
        const i = Math.round((t - (end - span)) / step);
        const n = Number(v);
        if (i >= 0 && i <= points && Number.isFinite(n)) out[i] = n;
      }
      return out;
    };
    try {
      const [rx, tx] = await Promise.all([ask('node_network_receive_bytes_total', 'ifHCInOctets'), ask('node_network_transmit_bytes_total', 'ifHCOutOctets')]);
      this.traffic = rx.some((v) => v !== null) || tx.some((v) => v !== null) ? { in: rx, out: tx } : undefined;
    } catch { /* what is shown stays; the age of the checks tells whether the server answers */ }
  }

  #listen(): void {
    let source: EventSource | undefined;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let heard = Date.now();
    let wait = 1000;
    const open = () => {
      source?.close();
      const url = api('api/hulotte/v1/live');
      url.search = 'topic=checks';
      const s = new EventSource(url);
      source = s;
      heard = Date.now();
      s.addEventListener('hello', (e) => {
        heard = Date.now();
        wait = 1000;
        const version = read(e)['version'];
        if (typeof version === 'string') {
          // Another version serves now: its page is another one too. Spread, so that many walls do not come at once.
          if (this.#version !== '' && this.#version !== version) setTimeout(() => void this.#reload(), 5000 + Math.random() * 55_000);
          this.#version = version;
        }
        this.ask();
      });
      s.addEventListener('checks', () => { heard = Date.now(); this.ask(); });
      s.addEventListener('data', () => { heard = Date.now(); });
      s.addEventListener('ping', () => { heard = Date.now(); });
      s.onerror = lost;
    };
    const lost = () => {
      source?.close();
      source = undefined;
      clearTimeout(timer);
      timer = setTimeout(open, wait * (0.75 + Math.random() / 2));
      wait = Math.min(wait * 2, 15_000);
      this.ask(); // says at once whether the server itself is away
    };
    const watch = setInterval(() => { if (source && Date.now() - heard > 40_000) lost(); }, 5000);
    open();
    this.#stops.push(() => { clearInterval(watch); clearTimeout(timer); source?.close(); });
  }

  // The screen stays on where the browser allows it (secure contexts).
  #stayAwake(): void {
    const ask = () => { if (!document.hidden) navigator.wakeLock?.request('screen').catch(() => { /* not allowed: the screen's own settings decide */ }); };
    ask();
    document.addEventListener('visibilitychange', ask);
    this.#stops.push(() => document.removeEventListener('visibilitychange', ask));
  }

  // A browser that shows one page for weeks is happier with a new one each day; only when the server is there to give it.
  async #reload(): Promise<void> {
    try {
      if ((await fetch(api('-/ready'), { cache: 'no-store', signal: AbortSignal.timeout(patience) })).ok) { location.reload(); return; }
    } catch { /* tried again */ }
    setTimeout(() => void this.#reload(), 60_000);
  }

  /** Seconds since the last good answer. */
  get age(): number { return this.answered === 0 ? 0 : Math.max(0, this.now - this.answered); }
}

function read(e: Event): Record<string, unknown> {
  try {
    return JSON.parse((e as MessageEvent<string>).data) as Record<string, unknown>;
  } catch {
    return {};
  }
}
