// What people do to checks: acknowledge, downtime, comment, ask again. One dialog at a time, wherever it was asked for.
import { ApiError, send } from '../api';
import { toasts } from '../toast.svelte';
import type { Check } from './checks';
import type { Downtime, Preview } from './types';

const path = 'api/hulotte/v1/';

export type Act = 'ack' | 'downtime' | 'comment' | 'unack';
/** A check as an act needs it: pages give what they know. */
export type Subject = Pick<Check, 'id'> & Partial<Pick<Check, 'word' | 'status' | 'problem' | 'handled' | 'output'>>;

class Acts {
  dialog = $state.raw<{ act: Act; subjects: readonly Subject[]; template?: Downtime } | undefined>(undefined);
  /** Counts what was done, so that lists ask again at once. */
  done = $state(0);
  /** What the page at hand is about: the selection, or the check it shows. For the palette. */
  subjects = $state.raw<readonly Subject[]>([]);

  open(act: Act, subjects: readonly Subject[], template?: Downtime): void {
    if (subjects.length === 0 && act !== 'downtime') {
      toasts.show('Choose a check first: j and k move, x selects.', 'info');
      return;
    }
    this.dialog = { act, subjects, ...(template ? { template } : {}) };
  }
  close(): void { this.dialog = undefined; }

  async recheck(ids: readonly string[]): Promise<void> {
    if (ids.length === 0) return;
    await this.#run('checks/recheck', { checks: ids }, ids.length === 1 ? `${ids[0]} is asked now` : `${ids.length} checks are asked now`);
  }
  async ack(ids: readonly string[], o: { comment: string; until?: string; sticky: boolean }): Promise<void> {
    await this.#done('checks/ack', { checks: ids, ...o }, `Acknowledged ${named(ids)}`);
  }
  async unack(ids: readonly string[], comment: string): Promise<void> {
    await this.#done('checks/unack', { checks: ids, comment }, `${named(ids)}: no longer acknowledged`);
  }
  async comment(ids: readonly string[], comment: string): Promise<void> {
    await this.#done('checks/comment', { checks: ids, comment }, `Noted at ${named(ids)}`);
  }
  async downtime(d: Downtime): Promise<void> {
    await this.#done('downtimes', d, 'The downtime is set');
  }
  async endDowntime(id: string): Promise<void> {
    await this.#run('downtimes/end', { id }, 'The downtime is over');
  }
  async preview(d: Downtime, signal: AbortSignal): Promise<Preview> {
    return (await send<Preview>(`${path}downtimes/preview`, d, signal)).data;
  }

  /** For dialogs, which show a failure themselves. */
  async #done(to: string, body: unknown, text: string): Promise<void> {
    await send(path + to, body);
    this.done++;
    toasts.show(text, 'ok');
  }
  async #run(to: string, body: unknown, text: string): Promise<void> {
    try {
      await this.#done(to, body, text);
    } catch (e) {
      toasts.show(e instanceof ApiError ? [e.message, e.hint].filter(Boolean).join(' ') : String(e), 'crit', { seconds: 10 });
    }
  }
}

function named(ids: readonly string[]): string {
  return ids.length === 1 ? ids[0]! : `${ids.length} checks`;
}

export const act = new Acts();
