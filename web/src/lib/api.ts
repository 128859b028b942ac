// Requests to our own server. Every failure becomes an ApiError that says what happened and what to do about it.
import { base } from './router.svelte';

export type ErrorKind = 'network' | 'timeout' | 'auth' | 'bad_data' | 'execution' | 'not_found' | 'limit' | 'unavailable' | 'internal';

export class ApiError extends Error {
  readonly kind: ErrorKind;
  readonly status: number;
  constructor(kind: ErrorKind, message: string, status = 0) {
    super(message);
    this.name = 'ApiError';
    this.kind = kind;
    this.status = status;
  }

  /** What the reader can do. */
  get hint(): string {
    switch (this.kind) {
      case 'network': return 'Hulotte does not answer. Check that it runs and that this machine can reach it; the page goes on trying.';
      case 'timeout': return 'Ask for a shorter range or fewer series, or raise query.timeout.';
      case 'auth': return 'Sign in, or ask for access to this.';
      case 'limit': return 'Narrow the selection, or raise the limit that the message names.';
      case 'unavailable': return 'The server is starting or busy; the page goes on trying.';
      case 'not_found': return 'It may have been removed, or the link may be from a newer version.';
      case 'internal': return 'This is a fault of Hulotte: its log has the details.';
      default: return '';
    }
  }
}

export interface Answer<T> {
  data: T;
  warnings: string[];
  infos: string[];
  /** Milliseconds from asking to the last byte. */
  ms: number;
  bytes: number;
}

export type Params = Record<string, string | number | boolean | readonly string[] | undefined | null>;

export function apiURL(path: string, params: Params = {}): URL {
  const url = new URL(path.replace(/^\//, ''), base);
  url.search = encode(params).toString();
  return url;
}

function encode(params: Params): URLSearchParams {
  const out = new URLSearchParams();
  for (const [k, v] of Object.entries(params)) {
    if (v === undefined || v === null) continue;
    if (Array.isArray(v)) for (const one of v as readonly string[]) out.append(k, one);
    else out.append(k, String(v));
  }
  return out;
}

/** Asks Prometheus' API or ours, and unwraps {status, data}. Aborting rejects with the signal's AbortError. */
export async function get<T>(path: string, params: Params = {}, signal?: AbortSignal): Promise<Answer<T>> {
  return request<T>(apiURL(path, params), signal ? { signal } : {});
}

/** The same with the parameters in the body, for expressions that are too long for a URL. */
export async function post<T>(path: string, params: Params = {}, signal?: AbortSignal, headers: Record<string, string> = {}): Promise<Answer<T>> {
  return request<T>(apiURL(path), { method: 'POST', body: encode(params), headers, ...(signal ? { signal } : {}) });
}

/** Posts a JSON body, as our own API takes it for actions; or puts or deletes with one. */
export async function send<T>(path: string, body: unknown, signal?: AbortSignal, method: 'POST' | 'PUT' | 'DELETE' = 'POST'): Promise<Answer<T>> {
  return request<T>(apiURL(path), { method, ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } }), ...(signal ? { signal } : {}) });
}

async function request<T>(url: URL, init: RequestInit): Promise<Answer<T>> {
  const started = performance.now();
  let response: Response;
  let text: string;
  try {
    response = await fetch(url, { credentials: 'same-origin', ...init, headers: { Accept: 'application/json', ...init.headers } });
    text = await response.text();
  } catch (e) {
    if (e instanceof DOMException && e.name === 'AbortError') throw e;
    throw new ApiError('network', 'No answer from the server.');
  }
  let body: unknown;
  try {
    // Alertmanager's API answers some actions with nothing at all.
    body = text === '' && response.ok ? {} : JSON.parse(text);
  } catch {
    throw failure(response.status, response.ok ? 'The answer is not JSON.' : text.trim().slice(0, 2000) || response.statusText);
  }
  const wrapped = isRecord(body) ? body : {};
  if (!response.ok || wrapped['status'] === 'error') throw failure(response.status, (typeof body === 'string' ? body : message(wrapped)) || response.statusText, String(wrapped['errorType'] ?? wrapped['kind'] ?? ''));
  return {
    data: (wrapped['status'] === 'success' && 'data' in wrapped ? wrapped['data'] : body) as T,
    warnings: strings(wrapped['warnings']),
    infos: strings(wrapped['infos']),
    ms: performance.now() - started,
    bytes: text.length,
  };
}

function isRecord(v: unknown): v is Record<string, unknown> {
  return typeof v === 'object' && v !== null && !Array.isArray(v);
}

function strings(v: unknown): string[] {
  return Array.isArray(v) ? v.map(String) : [];
}

function message(body: Record<string, unknown>): string {
  const e = body['error'];
  if (isRecord(e)) return [e['message'], e['fix']].filter((s) => typeof s === 'string' && s !== '').join(' ');
  return typeof e === 'string' ? e : typeof body['message'] === 'string' ? body['message'] : '';
}

/** Exported for its test. Prometheus' errorType decides where it is given, else the HTTP status (RFC 9110 section 15). */
export function failure(status: number, text: string, type = ''): ApiError {
  const byType: Record<string, ErrorKind> = {
    timeout: 'timeout', canceled: 'timeout', execution: 'execution', bad_data: 'bad_data', invalid: 'bad_data', internal: 'internal',
    unavailable: 'unavailable', not_found: 'not_found', not_acceptable: 'bad_data', too_many: 'limit', limit: 'limit',
  };
  const byStatus = (): ErrorKind => {
    if (status === 401 || status === 403) return 'auth';
    if (status === 404) return 'not_found';
    if (status === 413 || status === 429) return 'limit';
    if (status === 502 || status === 503) return 'unavailable';
    if (status === 504) return 'timeout';
    if (status >= 500) return 'internal';
    return 'bad_data';
  };
  return new ApiError(byType[type] ?? byStatus(), text, status);
}
