// Logs for browser tests, over Loki's push API: a small shop of four services on three hosts, the same lines each time.

export interface Line { /** Nanoseconds; now when absent. */ ns?: bigint; service: string; host: string; line: string; labels?: Record<string, string>; fields?: Record<string, string> }

/** Pushes lines and waits until the server has answered for them: they can be searched from then on. */
export async function push(url: string, lines: readonly Line[]): Promise<void> {
  const streams = new Map<string, { stream: Record<string, string>; values: unknown[] }>();
  for (const l of lines) {
    const stream = { service_name: l.service, host: l.host, ...l.labels };
    const key = JSON.stringify(stream);
    if (!streams.has(key)) streams.set(key, { stream, values: [] });
    streams.get(key)!.values.push([String(l.ns ?? BigInt(Date.now()) * 1_000_000n), l.line, ...(l.fields ? [l.fields] : [])]);
  }
  const answer = await fetch(`${url}loki/api/v1/push`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ streams: [...streams.values()] }) });
  if (!answer.ok) throw new Error(`push: ${answer.status} ${await answer.text()}`);
}

export const minutes = (n: number): bigint => BigInt(n) * 60_000_000_000n;

/** What is in the shop's logs, by arithmetic: the tests count on it. */
export const shop = { lines: 1200, errors: 30, warnings: 60, needle: 'req-7f3a91', needleAt: 700 } as const;

/**
 * 1,200 lines of the 40 minutes before `end`: 400 of nginx on web-1 and web-2, 400 of api in JSON, 400 of worker in logfmt. 30 of api's are
 * errors, 60 of worker's warnings. The last ten minutes have a pattern that was not there before.
 */
export function shopLines(end: bigint): Line[] {
  return Array.from({ length: shop.lines }, (_, i): Line => {
    const ns = end - minutes(40) + (minutes(40) * BigInt(i)) / BigInt(shop.lines);
    const k = Math.floor(i / 3);
    const host = k % 2 === 0 ? 'web-1' : 'web-2';
    if (i % 3 === 0) return { ns, service: 'nginx', host, line: `10.0.0.${k % 200} - - "GET /orders/${k} HTTP/1.1" 200 ${500 + k}` };
    if (i % 3 === 1) {
      const bad = k % 40 < 3;
      const request = i === shop.needleAt ? shop.needle : `req-${k}`;
      return { ns, service: 'api', host, labels: { container: 'shop-api' }, fields: { request_id: request }, line: JSON.stringify({ level: bad ? 'error' : 'info', msg: bad ? 'cannot charge the card' : 'order placed', status: bad ? 502 : 200, took_ms: k % 90, user: { plan: k % 4 === 0 ? 'pro' : 'free' } }) };
    }
    if (i >= 900 && k % 10 === 9) return { ns, service: 'worker', host: 'db-1', line: `level=info msg="lease of shard ${k} moved" queue=billing` };
    return { ns, service: 'worker', host: 'db-1', line: `level=${k % 20 < 3 ? 'warn' : 'info'} msg="job ${k} done" queue=${k % 2 === 0 ? 'mail' : 'billing'}` };
  });
}
