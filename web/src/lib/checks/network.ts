// Interfaces of network devices (SNMP, under snmp_exporter's names) and of machines (node_exporter's), as rows. Pure; rates per second, speeds in bits.
import { quote } from '../labels';
import { parsePromNumber, type QueryData } from '../prom';
import type { Status } from '../../ui/status';

export interface Port {
  key: string; device: string; machine: boolean; name: string; alias: string; index: string; mac: string;
  admin: string; oper: string; speed: number | null; in: number | null; out: number | null; errors: number | null; discards: number | null;
  /** The busier direction as a share of the speed, percent. */
  use: number | null; status: Status;
}
export interface Device { name: string; machine: boolean; ports: Port[]; up: number; in: number; out: number; errors: number; discards: number; busiest: Port | undefined; status: Status }

// Links that exist on a machine only between its own parts.
const inner = 'lo|veth.*|docker.*|br-.*|virbr.*|cni.*|flannel.*|cali.*|tap.*|vnet.*';

/** Everything about all interfaces in one expression: each part carries its meaning in the label q. */
export function networkQuery(device = ''): string {
  const on = (extra = '') => { const parts = [...(device ? [`instance=${quote(device)}`] : []), ...(extra ? [extra] : [])]; return parts.length > 0 ? `{${parts.join(',')}}` : ''; };
  const node = on(`device!~"${inner}"`);
  const parts: [string, string][] = [
    ['in', `rate(ifHCInOctets${on()}[5m])*8`], ['out', `rate(ifHCOutOctets${on()}[5m])*8`], ['speed', `ifHighSpeed${on()}*1e6`], ['oper', `ifOperStatus${on()}`], ['admin', `ifAdminStatus${on()}`],
    ['err', `rate(ifInErrors${on()}[5m])+rate(ifOutErrors${on()}[5m])`], ['disc', `rate(ifInDiscards${on()}[5m])+rate(ifOutDiscards${on()}[5m])`],
    ['in', `rate(node_network_receive_bytes_total${node}[2m])*8`], ['out', `rate(node_network_transmit_bytes_total${node}[2m])*8`], ['speed', `node_network_speed_bytes${node}*8`], ['info', `node_network_info${node}`],
    ['err', `rate(node_network_receive_errs_total${node}[2m])+rate(node_network_transmit_errs_total${node}[2m])`], ['disc', `rate(node_network_receive_drop_total${node}[2m])+rate(node_network_transmit_drop_total${node}[2m])`],
  ];
  return parts.map(([q, expr]) => `label_replace(${expr},"q",${quote(q)},"","")`).join(' or ');
}

/** ifOperStatus and ifAdminStatus (RFC 2863). */
const operWords: Record<number, string> = { 1: 'up', 2: 'down', 3: 'testing', 4: 'unknown', 5: 'dormant', 6: 'not there', 7: 'lower layer down' };

export function portsOf(data: QueryData): Port[] {
  const ports = new Map<string, Port>();
  if (data.resultType !== 'vector') return [];
  for (const s of data.result) {
    const l = s.metric;
    const machine = l['device'] !== undefined;
    const name = l['device'] ?? (l['ifName'] || l['ifDescr'] || l['ifIndex'] || '');
    const key = `${l['instance'] ?? ''} ${machine ? name : (l['ifIndex'] ?? name)}`;
    let p = ports.get(key);
    if (!p) ports.set(key, p = { key, device: l['instance'] ?? '', machine, name, alias: '', index: l['ifIndex'] ?? '', mac: '', admin: '', oper: '', speed: null, in: null, out: null, errors: null, discards: null, use: null, status: 'ok' });
    if (!machine && (l['ifName'] || l['ifDescr'])) p.name = l['ifName'] || l['ifDescr']!;
    if (l['ifAlias']) p.alias = l['ifAlias'];
    else if (!machine && p.alias === '' && l['ifDescr'] && l['ifDescr'] !== p.name) p.alias = l['ifDescr'];
    const v = s.value ? parsePromNumber(s.value[1]) : NaN;
    if (!Number.isFinite(v)) continue;
    switch (l['q']) {
      case 'in': p.in = v; break;
      case 'out': p.out = v; break;
      case 'speed': p.speed = v > 0 ? v : null; break;
      case 'err': p.errors = v; break;
      case 'disc': p.discards = v; break;
      case 'oper': p.oper = operWords[v] ?? 'unknown'; break;
      case 'admin': p.admin = v === 1 ? 'up' : v === 2 ? 'down' : 'testing'; break;
      case 'info': p.oper = l['operstate'] ?? p.oper; p.admin = l['adminstate'] ?? p.admin; p.mac = l['address'] ?? ''; break;
      default:
    }
  }
  for (const p of ports.values()) {
    if (p.speed !== null && (p.in !== null || p.out !== null)) p.use = (100 * Math.max(p.in ?? 0, p.out ?? 0)) / p.speed;
    p.status = portStatus(p);
  }
  return [...ports.values()].sort(worseFirst);
}

/** A port that is off, or has no link, is no trouble by itself: most ports of a switch are like that. Losing frames and being full is. */
export function portStatus(p: Port): Status {
  if (p.admin === 'down') return 'maint';
  if (p.oper !== '' && p.oper !== 'up' && p.oper !== 'unknown') return 'pending';
  if ((p.use ?? 0) >= 95) return 'crit';
  if ((p.use ?? 0) >= 80 || (p.errors ?? 0) > 0.01) return 'warn';
  return 'ok';
}

const rankOf: Record<Status, number> = { crit: 0, unknown: 1, warn: 2, ok: 3, info: 3, pending: 4, maint: 5 };
function worseFirst(a: Port, b: Port): number {
  return rankOf[a.status] - rankOf[b.status] || (b.use ?? -1) - (a.use ?? -1) || (b.in ?? 0) + (b.out ?? 0) - (a.in ?? 0) - (a.out ?? 0) || a.device.localeCompare(b.device) || a.name.localeCompare(b.name, 'en', { numeric: true });
}

export function stateText(p: Port): string {
  if (p.admin === 'down') return 'off';
  return p.oper === '' || p.oper === 'unknown' ? (p.in !== null ? 'up' : '–') : p.oper;
}

export function devicesOf(ports: readonly Port[]): Device[] {
  const out = new Map<string, Device>();
  for (const p of ports) {
    let d = out.get(p.device);
    if (!d) out.set(p.device, d = { name: p.device, machine: p.machine, ports: [], up: 0, in: 0, out: 0, errors: 0, discards: 0, busiest: undefined, status: 'ok' });
    d.ports.push(p);
    if (stateText(p) === 'up') d.up++;
    d.in += p.in ?? 0;
    d.out += p.out ?? 0;
    d.errors += p.errors ?? 0;
    d.discards += p.discards ?? 0;
    if (p.use !== null && p.use > (d.busiest?.use ?? -1)) d.busiest = p;
    if (rankOf[p.status] < rankOf[d.status] && rankOf[p.status] < 3) d.status = p.status;
  }
  return [...out.values()].sort((a, b) => Number(a.machine) - Number(b.machine) || rankOf[a.status] - rankOf[b.status] || b.in + b.out - a.in - a.out);
}

/** The courses of some interfaces: in upwards, out downwards, in bits per second. */
export function trafficQuery(ports: readonly Port[]): string {
  const selector = (p: Port) => (p.machine ? `{instance=${quote(p.device)},device=${quote(p.name)}}` : `{instance=${quote(p.device)},ifIndex=${quote(p.index)}}`);
  const one = (p: Port) => {
    const [rx, tx] = p.machine ? ['node_network_receive_bytes_total', 'node_network_transmit_bytes_total'] : ['ifHCInOctets', 'ifHCOutOctets'];
    const tag = (expr: string, way: string) => `label_replace(label_replace(sum(rate(${expr}${selector(p)}[5m]))*8,"port",${quote(`${p.device} ${p.name}`.replaceAll('$', '$$'))},"",""),"way",${quote(way)},"","")`;
    return `${tag(rx!, 'in')} or ${tag(tx!, 'out')}`;
  };
  return ports.map(one).join(' or ');
}
