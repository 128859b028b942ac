// Synthetic machines, as node_exporter would report them.
import type { Series } from './remotewrite';

export interface SyntheticDisk { mount: string; used: number | ((minutesAgo: number) => number); type?: string; size?: number }

export interface SyntheticHost {
  name: string;
  /** Minutes ago of the first and the last sample. */
  from?: number; to?: number;
  step?: number; // seconds
  cpus?: number; busy?: number; iowait?: number; available?: number; memory?: number;
  disks?: SyntheticDisk[]; network?: number; labels?: Record<string, string>; failedUnits?: string[]; cpuPressure?: number; bootMinutesAgo?: number;
}

const gib = 2 ** 30;

/** The series of a host; now in milliseconds. */
export function hostSeries(h: SyntheticHost, now: number): Series[] {
  const step = (h.step ?? 30) * 1000;
  const times: number[] = [];
  for (let t = now - (h.from ?? 50) * 60_000; t <= now - (h.to ?? 0) * 60_000; t += step) times.push(t);
  const common = { instance: h.name, job: 'node', ...h.labels };
  const out: Series[] = [];
  const seed = [...h.name].reduce((a, c) => (a * 31 + c.charCodeAt(0)) % 9973, 7);
  const wave = (t: number, k: number) => 1 + 0.35 * Math.sin(t / 400_000 + seed + k) + 0.15 * Math.sin(t / 90_000 + seed * k);
  const gauge = (name: string, labels: Record<string, string>, v: number | ((t: number) => number)) => out.push({ labels: { __name__: name, ...common, ...labels }, samples: times.map((t) => [t, typeof v === 'number' ? v : v(t)]) });
  const counter = (name: string, labels: Record<string, string>, perSecond: (t: number) => number) => {
    let sum = 1000 * (seed % 50);
    out.push({ labels: { __name__: name, ...common, ...labels }, samples: times.map((t) => { sum += (perSecond(t) * step) / 1000; return [t, sum]; }) });
  };
  gauge('up', {}, 1);
  gauge('node_uname_info', { nodename: h.name, sysname: 'Linux', release: '6.12.48+deb13-amd64', machine: 'x86_64', version: '#1 SMP', domainname: '(none)' }, 1);
  gauge('node_os_info', { id: 'debian', pretty_name: 'Debian GNU/Linux 13 (trixie)' }, 1);
  gauge('node_boot_time_seconds', {}, Math.round(now / 1000 - (h.bootMinutesAgo ?? 60 * 24 * (3 + (seed % 90))) * 60));
  const cpus = h.cpus ?? 8;
  const busy = h.busy ?? 0.05 + (seed % 40) / 100;
  for (let i = 0; i < cpus; i++) {
    const user = (t: number) => Math.min(0.95, busy * wave(t, 1));
    counter('node_cpu_seconds_total', { cpu: String(i), mode: 'user' }, (t) => user(t) * 0.8);
    counter('node_cpu_seconds_total', { cpu: String(i), mode: 'system' }, (t) => user(t) * 0.2);
    counter('node_cpu_seconds_total', { cpu: String(i), mode: 'iowait' }, () => h.iowait ?? 0.01);
    counter('node_cpu_seconds_total', { cpu: String(i), mode: 'idle' }, (t) => Math.max(0, 1 - user(t) - (h.iowait ?? 0.01)));
  }
  for (const [n, k] of [['1', 1], ['5', 0.9], ['15', 0.8]] as const) gauge(`node_load${n}`, {}, (t) => busy * cpus * k * wave(t, 2));
  const memory = (h.memory ?? 32) * gib;
  const available = h.available ?? 0.25 + (seed % 60) / 100;
  gauge('node_memory_MemTotal_bytes', {}, memory);
  gauge('node_memory_MemAvailable_bytes', {}, (t) => memory * Math.min(0.98, available * (0.9 + 0.1 * wave(t, 3))));
  gauge('node_memory_MemFree_bytes', {}, memory * available * 0.4);
  gauge('node_memory_Cached_bytes', {}, memory * available * 0.5);
  gauge('node_memory_SwapTotal_bytes', {}, 4 * gib);
  gauge('node_memory_SwapFree_bytes', {}, 3.9 * gib);
  gauge('node_timex_sync_status', {}, 1);
  gauge('node_timex_offset_seconds', {}, 0.00012);
  gauge('node_timex_maxerror_seconds', {}, 0.02);
  gauge('node_procs_running', {}, 1 + (seed % 4));
  gauge('node_procs_blocked', {}, 0);
  counter('node_pressure_cpu_waiting_seconds_total', {}, (t) => h.cpuPressure ?? (busy / 10) * wave(t, 4));
  counter('node_pressure_memory_stalled_seconds_total', {}, () => 0.0001);
  counter('node_pressure_io_stalled_seconds_total', {}, () => 0.003);
  gauge('node_systemd_units', { state: 'failed' }, h.failedUnits?.length ?? 0);
  for (const name of h.failedUnits ?? []) gauge('node_systemd_unit_state', { name, state: 'failed', type: 'simple' }, 1);
  for (const name of ['ssh.service', 'cron.service', 'nginx.service']) gauge('node_systemd_unit_state', { name, state: 'active', type: 'simple' }, 1);
  const net = h.network ?? (1 + (seed % 50)) * 2e5;
  counter('node_network_receive_bytes_total', { device: 'eth0' }, (t) => net * wave(t, 5));
  counter('node_network_transmit_bytes_total', { device: 'eth0' }, (t) => 0.4 * net * wave(t, 6));
  gauge('node_network_info', { device: 'eth0', operstate: 'up', address: '52:54:00:12:34:56' }, 1);
  gauge('node_network_speed_bytes', { device: 'eth0' }, 1.25e9);
  counter('node_disk_io_time_seconds_total', { device: 'nvme0n1' }, (t) => Math.min(0.9, 0.06 * wave(t, 7)));
  counter('node_disk_read_bytes_total', { device: 'nvme0n1' }, (t) => 1.5e6 * wave(t, 8));
  counter('node_disk_written_bytes_total', { device: 'nvme0n1' }, (t) => 4e6 * wave(t, 9));
  for (const d of h.disks ?? [{ mount: '/', used: 0.2 + (seed % 50) / 100 }, { mount: '/var', used: 0.1 + (seed % 60) / 100 }]) {
    const labels = { device: `/dev/mapper/vg-${d.mount.replaceAll('/', '') || 'root'}`, fstype: d.type ?? 'ext4', mountpoint: d.mount };
    const size = (d.size ?? 100) * gib;
    const used = (t: number) => (typeof d.used === 'number' ? d.used : d.used((now - t) / 60_000));
    gauge('node_filesystem_size_bytes', labels, size);
    gauge('node_filesystem_free_bytes', labels, (t) => size * (1 - used(t)));
    gauge('node_filesystem_avail_bytes', labels, (t) => size * (1 - used(t)));
    gauge('node_filesystem_files', labels, 6_000_000);
    gauge('node_filesystem_files_free', labels, 5_600_000);
    gauge('node_filesystem_readonly', labels, 0);
  }
  return out;
}

/** A fleet with a few troubles in it, the same at every run. */
export function fleet(n: number): SyntheticHost[] {
  const roles = ['web', 'db', 'cache', 'queue', 'build'];
  return Array.from({ length: n }, (_, i) => {
    const role = roles[i % roles.length]!;
    const h: SyntheticHost = { name: `${role}-${String(Math.floor(i / roles.length) + 1).padStart(2, '0')}`, labels: { env: i % 4 === 0 ? 'staging' : 'prod', role } };
    if (i === 6) h.disks = [{ mount: '/', used: 0.41 }, { mount: '/var/lib/postgresql', used: (ago) => 0.972 - ago * 0.0008, size: 800 }, { mount: '/backup', used: 0.78, size: 2000 }];
    if (i === 11) h.disks = [{ mount: '/', used: (ago) => 0.93 - ago * 0.0001 }, { mount: '/home', used: 0.3 }];
    if (i === 14) h.to = 17;
    if (i === 18) h.available = 0.06;
    if (i === 23) h.failedUnits = ['backup.service', 'logrotate.service'];
    if (i === 27) { h.from = 25; h.bootMinutesAgo = 26; }
    if (i === 31) { h.cpuPressure = 0.8; h.busy = 0.9; }
    return h;
  });
}
