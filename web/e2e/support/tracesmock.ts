// A shop's traces by arithmetic, for pages that are tested without the binary.
import { buildTrace } from '../../src/lib/traces/tree';
import { writeOTLP } from '../../src/lib/traces/read';
import { randomSpans, rawTrace, texts, type Short } from '../../src/lib/traces/fixtures';
import type { RawTrace } from '../../src/lib/traces/model';

export const shopID = '0af7651916cd43dd8448eb211c80319c';

/** A checkout: nine services' work, one failed call that was tried again, a gap in which nothing happened. */
export function checkout(id = shopID, slow = 1, base = BigInt(Date.now() - 600_000) * 1_000_000n): RawTrace {
  const spans: Short[] = [];
  const add = (s: Short) => { spans.push(s); return s.id; };
  const id16 = (n: number) => (0x1000 + n).toString(16).padStart(16, '0');
  let n = 0;
  const next = () => id16(n++);
  const root = add({ id: next(), service: 'web', name: 'POST /checkout', kind: 'server', start: 0, duration: 742 * slow, error: true, attributes: { 'http.request.method': 'POST', 'url.path': '/checkout', 'http.response.status_code': '502', 'user_agent.original': 'Mozilla/5.0 (X11; Linux x86_64) Firefox/145.0', 'client.address': '10.1.4.17', 'session.id': 's-81723' } });
  const cart = add({ id: next(), parent: root, service: 'web', name: 'GET cart', kind: 'client', start: 4, duration: 61 });
  const cartS = add({ id: next(), parent: cart, service: 'cart', name: 'GET /cart/{id}', kind: 'server', start: 8, duration: 52 });
  add({ id: next(), parent: cartS, service: 'cart', name: 'HGETALL cart:81723', kind: 'client', start: 12, duration: 6, attributes: { 'db.system': 'redis', 'db.operation.name': 'HGETALL' } });
  for (let i = 0; i < 6; i++) add({ id: next(), parent: cartS, service: 'cart', name: 'price of item', start: 20 + i * 6, duration: 5.2 });
  const order = add({ id: next(), parent: root, service: 'web', name: 'orders.Orders/Place', kind: 'client', start: 70, duration: 654 * slow, error: true });
  const orders = add({ id: next(), parent: order, service: 'orders', name: 'orders.Orders/Place', kind: 'server', start: 74, duration: 645 * slow, error: true, attributes: { 'rpc.system': 'grpc', 'rpc.grpc.status_code': '14' } });
  const stock = add({ id: next(), parent: orders, service: 'orders', name: 'stock.Stock/Reserve', kind: 'client', start: 80, duration: 48 });
  const stockS = add({ id: next(), parent: stock, service: 'stock', name: 'stock.Stock/Reserve', kind: 'server', start: 84, duration: 40 });
  add({ id: next(), parent: stockS, service: 'stock', name: 'UPDATE stock SET reserved', kind: 'client', start: 88, duration: 31, attributes: { 'db.system': 'postgresql', 'db.query.text': 'UPDATE stock SET reserved = reserved + $1 WHERE sku = $2' } });
  for (let k = 0; k < 2; k++) {
    const at = k === 0 ? 134 : 420 * slow;
    const call = add({ id: next(), parent: orders, service: 'orders', name: 'POST payments/charge', kind: 'client', start: at, duration: 240 * slow, error: true, events: [{ time: at + 239 * slow, name: 'exception', attributes: texts({ 'exception.type': 'TimeoutError', 'exception.message': 'payment provider did not answer in 240 ms', 'exception.stacktrace': 'TimeoutError: payment provider did not answer in 240 ms\n  at charge (/app/payments.js:41:11)\n  at place (/app/orders.js:88:5)' }) }] });
    const pay = add({ id: next(), parent: call, service: 'payments', name: 'POST /charge', kind: 'server', start: at + 4, duration: 232 * slow, error: true, attributes: { 'http.response.status_code': '504' } });
    add({ id: next(), parent: pay, service: 'payments', name: 'POST provider.example/v1/charges', kind: 'client', start: at + 9, duration: 220 * slow, error: true, attributes: { 'server.address': 'provider.example' } });
  }
  add({ id: next(), parent: orders, service: 'orders', name: 'publish order.failed', kind: 'producer', start: 664 * slow, duration: 9, links: [{ trace: 'b7ad6b7169203331b7ad6b7169203331', span: '00f067aa0ba902b7', attributes: [] }] });
  add({ id: next(), parent: 'ffffffffffffffff', service: 'mail', name: 'order.failed process', kind: 'consumer', start: 690 * slow, duration: 30 });
  const raw = rawTrace(spans, id);
  raw.base = base;
  raw.resources = raw.resources.map((r) => ({ ...r, attributes: [...r.attributes, ...texts({ 'host.name': r.service === 'web' ? 'web-1' : 'app-2', 'service.version': '1.4.2', 'deployment.environment.name': 'prod', 'telemetry.sdk.language': 'nodejs' })] }));
  raw.scopes = [{ name: '@opentelemetry/instrumentation-http', version: '0.57.2', attributes: [] }];
  return raw;
}

export function large(n: number, id = 'feedface00000000feedface00000000'): RawTrace {
  return { ...rawTrace(randomSpans(n), id), base: BigInt(Date.now() - 60_000) * 1_000_000n };
}
export const otlp = (t: RawTrace): unknown => JSON.parse(writeOTLP(buildTrace(t)));

/** A trace's id by its number. */
export const idOf = (n: number): string => (0xabc000 + n).toString(16).padStart(32, '0');

const roots = [['web', 'POST /checkout'], ['web', 'GET /products/{id}'], ['web', 'GET /'], ['worker', 'mail queue process'], ['web', 'GET /search']] as const;

function found(q: URLSearchParams): unknown {
  const end = Number(q.get('end'));
  const start = Number(q.get('start'));
  const slow = /duration >= /.test(q.get('q') ?? '');
  if ((q.get('q') ?? '').includes('nobody')) return { traces: [], metrics: { completedJobs: 1, totalJobs: 1 } };
  return {
    traces: Array.from({ length: Math.min(slow ? 14 : 40, Number(q.get('limit'))) }, (_, i) => {
      const [service, name] = roots[slow ? 0 : i % roots.length]!;
      const bad = slow ? i % 2 === 0 : i % 9 === 4;
      return {
        traceID: i === 0 ? shopID : idOf(i), rootServiceName: service, rootTraceName: name, startTimeUnixNano: String(Math.round((end - ((end - start) * (i + 0.5)) / 42) * 1e9)), durationMs: slow ? 700 + i * 31 : 12 + ((i * 37) % 190) + (bad ? 600 : 0),
        serviceStats: { [service]: { spanCount: 5, errorCount: bad ? 2 : 0 }, cart: { spanCount: 8, errorCount: 0 }, orders: { spanCount: 6 + (i % 5), errorCount: bad ? 3 : 0 }, ...(i % 3 === 0 ? { payments: { spanCount: 4, errorCount: bad ? 4 : 0 } } : {}) }, spanSets: [{ matched: 3, spans: [] }],
      };
    }),
    metrics: { inspectedSpans: 184_000, completedJobs: 1, totalJobs: 1 },
  };
}

const label = (key: string, value: unknown) => ({ key, value: typeof value === 'number' ? { doubleValue: value } : { stringValue: value } });
function metrics(q: URLSearchParams): unknown {
  const [start, end, step] = [Number(q.get('start')), Number(q.get('end')), Number.parseFloat(q.get('step') ?? '60')];
  const query = q.get('q') ?? '';
  if (query.includes('compare(')) {
    const one = (type: string, key: string, value: string, n: number) => ({ labels: [label('__meta_type', type), label(key, value)], samples: [{ timestampMs: String(end * 1000), value: n }] });
    const both = (key: string, value: string, a: number, b: number) => [one('selection', key, value, a), one('baseline', key, value, b)];
    return { series: [
      one('selection_total', 'name', 'nil', 412), one('baseline_total', 'name', 'nil', 18_340),
      ...both('span.payment.provider', 'acme', 389, 1200), ...both('span.payment.provider', 'other', 23, 15_000), ...both('resource.service.version', '1.4.2', 401, 7300), ...both('resource.service.version', '1.4.1', 11, 11_040),
      ...both('name', 'POST /charge', 260, 3000), ...both('name', 'POST /checkout', 152, 3000), ...both('resource.host.name', 'app-2', 380, 9000), ...both('resource.host.name', 'app-1', 32, 9340), ...both('span.http.response.status_code', '504', 300, 20),
    ] };
  }
  const failed = query.includes('status = error');
  const series = Array.from({ length: 9 }, (_, b) => ({
    labels: [label('__bucket', 2 ** (b - 7))],
    samples: Array.from({ length: Math.ceil((end - start) / step) }, (_, c) => {
      const burst = b >= 6 && c > 60 && c < 75 ? 9 : 0;
      const n = Math.max(0, Math.round(60 * Math.exp(-((b - 2.2 - Math.sin(c / 9) / 2) ** 2) / 1.6)) - (b > 4 ? 2 : 0)) + burst;
      return { timestampMs: String((start + (c + 1) * step) * 1000), value: failed ? (burst > 0 ? 6 : b === 3 && c % 17 === 0 ? 1 : 0) : n };
    }),
  }));
  return { series };
}

function map(): unknown {
  const node = (name: string, x: number, y: number, rate: number, errors = 0, p95 = 0.04, kind = 'service') => ({ name, kind, x, y, rate, errors, p95 });
  const edge = (from: string, to: string, rate: number, errors = 0, p95 = 0.03) => ({ from, to, kind: '', rate, errors, p95 });
  return {
    nodes: [node('web', 100, 200, 84, 0.031, 0.412), node('cart', 380, 60, 40), node('orders', 380, 200, 22, 0.09, 0.64), node('search', 380, 340, 31), node('redis', 660, 20, 90, 0, 0.002, 'database'), node('stock', 660, 120, 21), node('payments', 660, 220, 20, 0.11, 0.58), node('mail', 660, 320, 3, 0, 0.2), node('postgresql', 940, 120, 60, 0, 0.011, 'database'), node('provider.example', 940, 240, 20, 0.11, 0.55, 'external')],
    edges: [edge('web', 'cart', 40), edge('web', 'orders', 22, 0.09), edge('web', 'search', 31), edge('cart', 'redis', 90), edge('orders', 'stock', 21), edge('orders', 'payments', 20, 0.11, 0.58), edge('orders', 'mail', 3), edge('stock', 'postgresql', 60), edge('payments', 'provider.example', 20, 0.11, 0.55)],
  };
}

/** Answers the API of traces with the shop's. */
export function setup(m: { answers: (name: string, q: URLSearchParams) => unknown }): void {
  m.answers = (name, q) => {
    if (name === `/api/v2/traces/${shopID}`) return { trace: otlp(checkout()) };
    if (name === '/api/v2/traces/feedface00000000feedface00000000') return { trace: otlp(large(10_000)) };
    if (name.startsWith('/api/v2/traces/0000')) return { trace: otlp(checkout(name.slice(15), 1.4)) };
    if (name === '/api/search') return found(q);
    if (name === '/api/metrics/query_range') return metrics(q);
    if (name.startsWith('/api/v2/search/tag/')) return { tagValues: (name.includes('service') ? ['web', 'cart', 'orders', 'payments', 'stock', 'mail'] : ['POST /checkout', 'GET /cart/{id}', 'POST /charge']).map((value) => ({ type: 'string', value })) };
    if (name === 'traces/map') return map();
    return undefined;
  };
}
