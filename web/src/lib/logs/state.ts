// The state of the Explore logs page in the URL, beside the shared view (time, zone, refresh, scope). Pure.

export type Shape = 'lines' | 'table' | 'json' | 'patterns';

export interface LogsState {
  query: string;
  shape: Shape;
  /** Columns beside the time: of the table, and of the lines before their text. */
  columns: string[];
  wrap: boolean;
  /** The oldest line first. */
  ascending: boolean;
  live: boolean;
  /** The line that a link points at: <nanoseconds>~<hash>. */
  line: string;
}

export const emptyState: LogsState = { query: '', shape: 'lines', columns: [], wrap: false, ascending: false, live: false, line: '' };

const own = ['query', 'as', 'columns', 'wrap', 'order', 'live', 'line'];
const shapes: readonly Shape[] = ['lines', 'table', 'json', 'patterns'];
const mostColumns = 30; // more than a screen holds, and a bound on what a hand-made link makes the page draw

export function decodeState(query: URLSearchParams): LogsState {
  const shape = query.get('as') as Shape | null;
  const line = query.get('line') ?? '';
  return {
    query: query.get('query') ?? '',
    shape: shape && shapes.includes(shape) ? shape : 'lines',
    columns: [...new Set((query.get('columns') ?? '').split(',').filter((c) => c !== ''))].slice(0, mostColumns),
    wrap: query.get('wrap') === '1',
    ascending: query.get('order') === 'oldest',
    live: query.get('live') === '1',
    line: /^\d{1,19}~[a-z0-9]+$/.test(line) ? line : '',
  };
}

export function encodeState(state: LogsState, query: URLSearchParams): URLSearchParams {
  const out = new URLSearchParams();
  if (state.query !== '') out.set('query', state.query);
  if (state.shape !== 'lines') out.set('as', state.shape);
  if (state.columns.length > 0) out.set('columns', state.columns.join(','));
  if (state.wrap) out.set('wrap', '1');
  if (state.ascending) out.set('order', 'oldest');
  if (state.live) out.set('live', '1');
  if (state.line !== '') out.set('line', state.line);
  for (const [k, v] of query) if (!own.includes(k)) out.append(k, v);
  return out;
}
