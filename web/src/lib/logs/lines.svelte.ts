// The lines of a search: pages of them as far as someone scrolls, and those that arrived since.
import { untrack } from 'svelte';
import { ApiError } from '../api';
import { askLines, mostRows, pageSize } from './ask';
import { compareNs, joinPages, keyTime, lineKey, nsOf, Rows, shiftNs, type Row } from './records';

export interface Search { query: string; start: number; end: number; ascending: boolean; /** A line to begin at. */ at: string }

export class Lines {
  rows = $state.raw<readonly Row[]>([]);
  /** Asking for the first page. */
  loading = $state(false);
  /** Asking for a further one. */
  paging = $state(false);
  /** What is shown belongs to an earlier search. */
  stale = $state(false);
  error = $state.raw<ApiError | undefined>(undefined);
  /** There is more behind the last line, or before the first one when the list began at a linked line. */
  moreBehind = $state(false);
  moreBefore = $state(false);
  /** Lines that came since, not shown yet, newest first. */
  fresh = $state.raw<readonly Row[]>([]);
  /** So many came that what lies between is not known: showing them begins the list anew. */
  gap = $state(false);
  /** The row that was to begin at; 0 when none was, or it was not found. */
  linked = $state(0);
  missing = $state(false);
  ms = $state(0);
  /** What the answer lacks, as the server says it. */
  warnings = $state.raw<readonly string[]>([]);

  #make = new Rows();
  #search: Search | undefined;
  #endNs = '';
  #startNs = '';
  #abort = new AbortController();

  load(search: Search): void {
    this.#abort.abort();
    this.#abort = new AbortController();
    const signal = this.#abort.signal;
    const other = this.#search !== undefined && this.#search.query !== search.query;
    this.#search = search;
    this.#startNs = nsOf(search.start);
    this.#endNs = nsOf(search.end);
    this.loading = true;
    this.paging = false;
    this.stale = untrack(() => this.rows.length > 0) && (other || this.stale);
    this.#first(search, signal).catch((e: unknown) => this.#failed(e, signal)).finally(() => { if (!signal.aborted) this.loading = false; });
  }

  async #first(s: Search, signal: AbortSignal): Promise<void> {
    const at = s.at === '' ? null : keyTime(s.at);
    if (at === null) {
      const page = await askLines(this.#make, s.query, this.#startNs, this.#endNs, { ascending: s.ascending }, signal);
      this.#show(page.rows, page.more, false, page.ms, page.warnings);
      return;
    }
    // Behind the line as the list runs, the line's own nanosecond with it, and a part before it.
    const after = shiftNs(at, 1);
    const behind = s.ascending ? [at, this.#later(after)] as const : [this.#earlier(at), after] as const;
    const before = s.ascending ? [this.#earlier(at), at] as const : [after, this.#later(after)] as const;
    const [b, a] = await Promise.all([
      askLines(this.#make, s.query, behind[0], behind[1], { ascending: s.ascending }, signal),
      askLines(this.#make, s.query, before[0], before[1], { ascending: !s.ascending, limit: 200 }, signal),
    ]);
    const rows = [...[...a.rows].reverse(), ...b.rows];
    this.#show(rows, b.more, a.more, b.ms, [...new Set([...b.warnings, ...a.warnings])]);
    const found = rows.find((r) => lineKey(r) === s.at);
    this.linked = found?.id ?? 0;
    this.missing = !found;
  }

  // A line that a link points at is shown whatever the range says.
  #later(ns: string): string { return compareNs(this.#endNs, ns) > 0 ? this.#endNs : ns; }
  #earlier(ns: string): string { return compareNs(this.#startNs, ns) < 0 ? this.#startNs : ns; }

  #show(rows: readonly Row[], behind: boolean, before: boolean, ms: number, warnings: readonly string[]): void {
    this.rows = rows;
    this.moreBehind = behind;
    this.moreBefore = before;
    this.fresh = [];
    this.gap = false;
    this.stale = false;
    this.error = undefined;
    this.linked = 0;
    this.missing = false;
    this.ms = ms;
    this.warnings = warnings;
  }

  #failed(e: unknown, signal: AbortSignal): void {
    if (signal.aborted) return;
    this.error = e instanceof ApiError ? e : new ApiError('internal', e instanceof Error ? e.message : String(e));
    this.stale = this.rows.length > 0;
  }

  /** The next page behind the last line. */
  behind(): void {
    const s = this.#search;
    const edge = this.rows.at(-1);
    if (!s || !edge || !this.moreBehind || this.paging || this.loading || this.error || this.rows.length >= mostRows) return;
    const [start, end] = s.ascending ? [edge.ns, this.#endNs] : [this.#startNs, shiftNs(edge.ns, 1)];
    this.#page(async (signal) => {
      const page = await askLines(this.#make, s.query, start, end, { ascending: s.ascending }, signal);
      const joined = joinPages(this.rows, page.rows);
      // More records in one nanosecond than a page holds: nothing more can be reached this way.
      this.moreBehind = page.more && joined.length > this.rows.length;
      this.rows = joined;
    });
  }

  /** The next page before the first line, of a list that began at a linked one. */
  before(): void {
    const s = this.#search;
    const edge = this.rows[0];
    if (!s || !edge || !this.moreBefore || this.paging) return;
    const [start, end] = s.ascending ? [this.#startNs, shiftNs(edge.ns, 1)] : [edge.ns, this.#endNs];
    this.#page(async (signal) => {
      const page = await askLines(this.#make, s.query, start, end, { ascending: !s.ascending }, signal);
      const joined = joinPages([...this.rows].reverse(), page.rows).reverse();
      this.moreBefore = page.more && joined.length > this.rows.length;
      this.rows = joined;
    });
  }

  #page(load: (signal: AbortSignal) => Promise<void>): void {
    const signal = this.#abort.signal;
    this.paging = true;
    load(signal).catch((e: unknown) => this.#failed(e, signal)).finally(() => { this.paging = false; });
  }

  /** Looks for lines newer than those shown, of a range that ends now. `keep` holds them back until take() is called. */
  async poll(end: number, keep: boolean): Promise<void> {
    const s = this.#search;
    if (!s || s.ascending || this.loading || this.moreBefore || this.paging) return;
    const newest = this.fresh[0] ?? this.rows[0];
    if (!newest) {
      this.load({ ...s, end });
      return;
    }
    const signal = this.#abort.signal;
    this.#endNs = nsOf(end);
    try {
      const page = await askLines(this.#make, s.query, newest.ns, this.#endNs, { ascending: false }, signal);
      if (signal.aborted) return;
      const had = this.fresh.length > 0 ? this.fresh : this.rows;
      const joined = joinPages([...had].reverse(), [...page.rows].reverse());
      const fresh = joined.slice(had.length).reverse();
      this.error = undefined;
      if (fresh.length === 0) return;
      this.gap ||= page.more;
      this.fresh = [...fresh, ...this.fresh].slice(0, 5 * pageSize);
      if (!keep) this.take();
    } catch (e) {
      this.#failed(e, signal);
    }
  }

  /** Shows what came since. */
  take(): void {
    const s = this.#search;
    if (this.gap && s) {
      this.load({ ...s, at: '', end: Number(this.#endNs) / 1e9 });
      return;
    }
    const rows = [...this.fresh, ...this.rows];
    this.moreBehind ||= rows.length > mostRows;
    this.rows = rows.slice(0, mostRows);
    this.fresh = [];
  }

  /** Forgets everything: another kind of answer is shown. */
  clear(): void {
    this.#abort.abort();
    this.#search = undefined;
    this.#show([], false, false, 0, []);
    this.loading = false;
  }
}
