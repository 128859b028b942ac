// The one stream of live events a tab has (a browser allows few connections to one host), shared by all that listen on the page.
//
// GET api/hulotte/v1/live?topic=a&topic=b answers text/event-stream (WHATWG HTML section 9.2). Events:
//   event: hello   data: {"version": "...", "time": <unix seconds>}   once, when the stream opens
//   event: data    data: {"time": <unix seconds>}                     new samples of the local host were written; drives the freshness shown
//   event: <topic> data: <that topic's JSON>                          something on a topic changed
// The server sends a comment at least every 15 s, so that a dead stream is noticed by the browser.
import { untrack } from 'svelte';
import { apiURL } from './api';

type Listener = (data: unknown) => void;

/** After this long without a sign of life the stream counts as dead, whatever the browser thinks. */
const silence = 40_000;
const retryMin = 1_000;
const retryMax = 30_000;

/** Topics that every page hears: the shell and the landing page listen on them, and must not open a second stream for that. */
const always = ['alerts', 'checks'];

class Live {
  /** connecting at first, open, or lost (and trying again). */
  state = $state<'idle' | 'connecting' | 'open' | 'lost'>('idle');
  /** Unix seconds (this browser's clock) of the newest data known to be in the store; 0 before any. */
  dataAt = $state(0);
  version = $state('');
  /** The server was replaced by another version under this open page. */
  newVersion = $state(false);

  #listeners = new Map<string, Set<Listener>>();
  #source: EventSource | undefined;
  #retry = retryMin;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #watch: ReturnType<typeof setInterval> | undefined;
  #heard = 0;

  /** Listens on a topic until the returned function is called. "data" needs no subscription at the server. */
  on(topic: string, fn: Listener): () => void {
    const set = this.#listeners.get(topic) ?? new Set();
    const isNew = set.size === 0;
    set.add(fn);
    this.#listeners.set(topic, set);
    // Called from effects, which must not depend on the stream's state: it changes with each reopening.
    const reopen = () => { if (topic !== 'data' && !always.includes(topic)) untrack(() => this.#reopenSoon()); };
    if (isNew) reopen();
    return () => {
      set.delete(fn);
      if (set.size > 0) return;
      this.#listeners.delete(topic);
      reopen();
    };
  }

  start(): () => void {
    this.#open();
    this.#watch = setInterval(() => {
      if (this.state === 'open' && Date.now() - this.#heard > silence) this.#lost();
    }, 5_000);
    // A hidden tab keeps no stream: a wall of forgotten tabs must not hold connections.
    const seen = () => { if (document.hidden) this.#timer = setTimeout(() => this.#close(), 60_000); else this.#reopenSoon(); };
    document.addEventListener('visibilitychange', seen);
    return () => {
      document.removeEventListener('visibilitychange', seen);
      clearInterval(this.#watch);
      clearTimeout(this.#timer);
      this.#close();
    };
  }

  #reopenSoon(): void {
    if (this.state === 'idle' && !this.#source && this.#watch === undefined) return; // not started yet
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#open(), 50); // a page that opens many panels makes one stream
  }

  #open(): void {
    this.#close();
    this.state = this.state === 'lost' ? 'lost' : 'connecting';
    const topics = [...new Set([...always, ...this.#listeners.keys()])].filter((t) => t !== 'data').sort();
    const source = new EventSource(apiURL('api/hulotte/v1/live', { topic: topics }));
    this.#source = source;
    const heard = () => { this.#heard = Date.now(); };
    source.onopen = () => {
      heard();
      this.state = 'open';
      this.#retry = retryMin;
    };
    source.onerror = () => this.#lost();
    source.addEventListener('hello', (e) => {
      heard();
      const { version } = parse(e) as { version?: string };
      if (version && this.version && version !== this.version) this.newVersion = true;
      if (version) this.version = version;
    });
    source.addEventListener('ping', heard);
    source.addEventListener('data', (e) => {
      heard();
      this.dataAt = Date.now() / 1000;
      for (const fn of this.#listeners.get('data') ?? []) fn(parse(e));
    });
    for (const topic of topics) {
      source.addEventListener(topic, (e) => {
        heard();
        for (const fn of this.#listeners.get(topic) ?? []) fn(parse(e));
      });
    }
  }

  #lost(): void {
    this.#close();
    this.state = 'lost';
    clearTimeout(this.#timer);
    // Spread, so that a restarted server is not met by every open tab in the same second.
    this.#timer = setTimeout(() => this.#open(), this.#retry * (0.75 + Math.random() / 2));
    this.#retry = Math.min(this.#retry * 2, retryMax);
  }

  #close(): void {
    this.#source?.close();
    this.#source = undefined;
  }
}

function parse(e: Event): unknown {
  try {
    return JSON.parse((e as MessageEvent<string>).data) as unknown;
  } catch {
    return {};
  }
}

export const live = new Live();
