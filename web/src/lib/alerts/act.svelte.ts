// What people do to alerts: acknowledge, silence, expire. One dialog at a time, wherever it was asked for.
import { ApiError, send } from '../api';
import { toasts } from '../toast.svelte';
import type { Alert } from './alerts';
import type { Silence, SilencePreview, V2Matcher } from './types';

const api = 'api/hulotte/v1/';
const v2 = 'api/v2/silence';

export type Act = 'ack' | 'unack' | 'silence';
export interface Dialog { act: Act; alerts: readonly Alert[]; silence?: Silence; /** The silence is a copy to be set anew. */ again?: boolean; matchers?: readonly V2Matcher[] }

class Acts {
  dialog = $state.raw<Dialog | undefined>(undefined);
  /** Counts what was done, so that lists ask again at once. */
  done = $state(0);
  /** What the page at hand is about: the selection, or the alert it shows. For the palette. */
  subjects = $state.raw<readonly Alert[]>([]);

  open(act: Act, alerts: readonly Alert[], more: Omit<Dialog, 'act' | 'alerts'> = {}): void {
    if (alerts.length === 0 && act !== 'silence') {
      toasts.show('Choose an alert first: j and k move, x selects.', 'info');
      return;
    }
    this.dialog = { act, alerts, ...more };
  }
  close(): void { this.dialog = undefined; }

  async ack(ids: readonly string[], comment: string, until?: string): Promise<void> {
    await send(`${api}alerts/ack`, { fingerprints: ids, comment, ...(until ? { until } : {}) });
    this.#said(`Acknowledged ${ids.length === 1 ? 'the alert' : `${ids.length} alerts`}`);
  }
  async unack(ids: readonly string[], comment: string): Promise<void> {
    await send(`${api}alerts/unack`, { fingerprints: ids, comment });
    this.#said(ids.length === 1 ? 'No longer acknowledged' : `${ids.length} alerts are no longer acknowledged`);
  }
  async silence(s: Silence): Promise<string> {
    const { data } = await send<{ silenceID?: string }>(`${v2}s`, s);
    remember(s.createdBy);
    this.#said(s.id ? 'The silence is changed' : 'Silenced');
    return data.silenceID ?? '';
  }
  /** Moves the end of a silence. */
  async extend(s: Silence, by: number): Promise<void> {
    const { status: _status, updatedAt: _updated, ...rest } = s;
    await this.#tell(async () => {
      await send(`${v2}s`, { ...rest, endsAt: new Date(Math.max(Date.now(), Date.parse(s.endsAt)) + by * 1000).toISOString() });
      this.#said('The silence lasts longer');
    });
  }
  async expire(id: string): Promise<void> {
    await this.#tell(async () => {
      await send(`${v2}/${encodeURIComponent(id)}`, undefined, undefined, 'DELETE');
      this.#said('The silence is over');
    });
  }
  async preview(matchers: readonly V2Matcher[], signal: AbortSignal): Promise<SilencePreview> {
    return (await send<SilencePreview>(`${api}silences/preview`, { matchers }, signal)).data;
  }

  #said(text: string): void {
    this.done++;
    toasts.show(text, 'ok');
  }
  async #tell(run: () => Promise<void>): Promise<void> {
    try { await run(); } catch (e) { failed(e); }
  }
}

/** What went wrong with an action that has no dialog. */
export function failed(e: unknown): void {
  toasts.show(e instanceof ApiError ? [e.message, e.hint].filter(Boolean).join(' ') : String(e), 'crit', { seconds: 10 });
}

const whoKey = 'hulotte.who';
/** Who sets silences from this browser: Alertmanager wants a name with each. */
export function who(): string {
  try { return localStorage.getItem(whoKey) || 'web'; } catch { return 'web'; }
}
function remember(name: string): void {
  try { localStorage.setItem(whoKey, name); } catch { /* private windows forget */ }
}

export const alertAct = new Acts();
