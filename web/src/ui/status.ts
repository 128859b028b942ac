// The states a thing can be in, worst first. Colour, glyph and word always go together.
export type Status = 'crit' | 'unknown' | 'warn' | 'pending' | 'maint' | 'ok' | 'info';

export const statusWords: Record<Status, string> = { crit: 'critical', unknown: 'unknown', warn: 'warning', pending: 'pending', maint: 'maintenance', ok: 'ok', info: 'info' };

const severity: readonly Status[] = ['crit', 'unknown', 'warn', 'pending', 'maint', 'info', 'ok'];

/** For sorting: the worse, the smaller. */
export function rank(s: Status): number { return severity.indexOf(s); }

export function worst(all: readonly Status[]): Status {
  return all.reduce<Status>((w, s) => (rank(s) < rank(w) ? s : w), 'ok');
}
