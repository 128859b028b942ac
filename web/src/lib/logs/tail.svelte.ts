// Lines as they arrive, by Loki's tail endpoint: kept in a bounded list, counted, taken up again where a broken connection left it.
import { apiURL } from '../api';
import { Rows, shiftNs, type RawStream, type Row } from './records';

export const mostTailed = 10_000; // lines kept; older ones leave. Enough to read back over, little enough to stay quick
const flushEvery = 250; // ms: a screen that changes more often cannot be read, and costs
const retryMin = 1_000;
const retryMax = 15_000;

interface Frame { streams?: RawStream[] | null; dropped_entries?: unknown[] | null; dropped_count?: number }

export class Tail {
  state = $state<'connecting' | 'open' | 'lost' | 'closed'>('connecting');
  /** The newest last. */
  rows = $state.raw<readonly Row[]>([]);
  /** Lines held back while paused. */
  waiting = $state(0);
  /** Lines that the server could not send in time, and lines that came while paused and were more than are kept. */
  dropped = $state(0);
  /** Lines per second, over the last five. */
  rate = $state(0);
  problem = $state('');
  paused = $state(false);

  #make = new Rows();
  #query: string;
  #socket: WebSocket | undefined;
  #inbox: Row[] = [];
  #held: Row[] = [];
  #last = '';
  #retry = retryMin;
  #timers: { flush?: ReturnType<typeof setInterval>; retry?: ReturnType<typeof setTimeout> } = {};
  #counts: { at: number; n: number }[] = [];

  constructor(query: string) { this.#query = query; }

  start(): () => void {
    this.#open();
    this.#timers.flush = setInterval(() => this.#flush(), flushEvery);
    return () => this.stop();
  }

  stop(): void {
    clearInterval(this.#timers.flush);
    clearTimeout(this.#timers.retry);
    this.state = 'closed';
    const s = this.#socket;
    this.#socket = undefined;
    s?.close(1000);
  }

  pause(): void { this.paused = true; }
  resume(): void {
    this.paused = false;
    this.#show(this.#held);
    this.#held = [];
    this.waiting = 0;
  }
  clear(): void { this.rows = []; }

  #open(): void {
    // The first connection brings some lines that are there already; a later one goes on behind the last that was seen.
    const from = this.#last === '' ? { limit: 200 } : { limit: 1000, start: shiftNs(this.#last, 1) };
    const url = apiURL('loki/api/v1/tail', { query: this.#query, encoding_flags: 'categorize-labels', ...from });
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    const socket = new WebSocket(url);
    this.#socket = socket;
    this.state = this.state === 'lost' ? 'lost' : 'connecting';
    socket.onopen = () => {
      this.state = 'open';
      this.problem = '';
      this.#retry = retryMin;
    };
    socket.onmessage = (e: MessageEvent<string>) => this.#take(e.data);
    socket.onclose = (e) => {
      if (this.#socket !== socket) return;
      this.state = 'lost';
      this.problem = e.reason;
      this.#timers.retry = setTimeout(() => this.#open(), this.#retry * (0.75 + Math.random() / 2));
      this.#retry = Math.min(this.#retry * 2, retryMax);
    };
  }

  #take(text: string): void {
    let frame: Frame;
    try {
      frame = JSON.parse(text) as Frame;
    } catch {
      return; // not a frame: the next one may be
    }
    this.dropped += frame.dropped_count ?? frame.dropped_entries?.length ?? 0;
    const rows = this.#make.all(frame.streams ?? [], false);
    this.#inbox.push(...rows);
    const newest = rows.at(-1);
    if (newest) this.#last = newest.ns;
    // A tab that is not drawn does not flush: what it holds stays bounded all the same.
    if (this.#inbox.length > 2 * mostTailed) this.#flush();
  }

  #flush(): void {
    const now = Date.now();
    const rows = this.#inbox;
    this.#inbox = [];
    if (rows.length > 0) this.#counts.push({ at: now, n: rows.length });
    this.#counts = this.#counts.filter((c) => now - c.at < 5_000);
    this.rate = this.#counts.reduce((n, c) => n + c.n, 0) / 5;
    if (rows.length === 0) return;
    if (!this.paused) {
      this.#show(rows);
      return;
    }
    const held = [...this.#held, ...rows];
    this.dropped += Math.max(0, held.length - mostTailed);
    this.#held = held.slice(-mostTailed);
    this.waiting = this.#held.length;
  }

  #show(rows: readonly Row[]): void {
    if (rows.length > 0) this.rows = [...this.rows, ...rows].slice(-mostTailed);
  }
}
