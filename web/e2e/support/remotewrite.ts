// Prometheus remote write 1.0 (https://prometheus.io/docs/specs/prw/remote_write_spec/), as much of it as sends samples: the protocol buffer by hand, and
// snappy's block format with literals only, which every decoder takes.
import { request } from 'node:http';

export interface Series { labels: Record<string, string>; samples: readonly (readonly [ms: number, value: number])[] }

export async function remoteWrite(server: string, series: readonly Series[]): Promise<void> {
  // A request of moderate size, as a real sender makes.
  for (let i = 0; i < series.length; i += 500) await send(server, literalSnappy(writeRequest(series.slice(i, i + 500))));
}

function send(server: string, body: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const req = request(`${server}/api/v1/write`, {
      method: 'POST', headers: { 'Content-Type': 'application/x-protobuf', 'Content-Encoding': 'snappy', 'X-Prometheus-Remote-Write-Version': '0.1.0', 'Content-Length': body.length },
    }, (res) => {
      let text = '';
      res.on('data', (b: Buffer) => { text += b.toString(); });
      res.on('end', () => ((res.statusCode ?? 500) < 300 ? resolve() : reject(new Error(`remote write: ${res.statusCode} ${text}`))));
    });
    req.on('error', reject);
    req.end(body);
  });
}

// message WriteRequest { repeated TimeSeries timeseries = 1; }  TimeSeries { Label labels = 1; Sample samples = 2; }
// Label { string name = 1; string value = 2; }  Sample { double value = 1; int64 timestamp = 2; }
function writeRequest(series: readonly Series[]): Buffer {
  return Buffer.concat(series.map((s) => {
    const labels = Object.entries(s.labels).sort(([a], [b]) => (a < b ? -1 : 1)).map(([k, v]) => bytesField(1, Buffer.concat([bytesField(1, Buffer.from(k)), bytesField(2, Buffer.from(v))])));
    const samples = s.samples.map(([ms, value]) => {
      const double = Buffer.alloc(9);
      double[0] = (1 << 3) | 1;
      double.writeDoubleLE(value, 1);
      return bytesField(2, Buffer.concat([double, Buffer.from([2 << 3]), varint(ms)]));
    });
    return bytesField(1, Buffer.concat([...labels, ...samples]));
  }));
}

function bytesField(number: number, body: Buffer): Buffer {
  return Buffer.concat([Buffer.from([(number << 3) | 2]), varint(body.length), body]);
}

function varint(n: number): Buffer {
  const out: number[] = [];
  while (n >= 128) {
    out.push((n % 128) | 128);
    n = Math.floor(n / 128);
  }
  out.push(n);
  return Buffer.from(out);
}

// The length, then literals of up to 64 KiB: a tag byte 61<<2, two bytes of length - 1, the bytes.
function literalSnappy(body: Buffer): Buffer {
  const parts = [varint(body.length)];
  for (let i = 0; i < body.length; i += 65536) {
    const chunk = body.subarray(i, i + 65536);
    const head = Buffer.alloc(3);
    head[0] = 61 << 2;
    head.writeUInt16LE(chunk.length - 1, 1);
    parts.push(head, chunk);
  }
  return Buffer.concat(parts);
}
