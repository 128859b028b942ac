import { expect, test } from 'vitest';
import type { QueryData } from '../prom';
import { devicesOf, networkQuery, portsOf, stateText, trafficQuery } from './network';

const sample = (q: string, labels: Record<string, string>, v: number) => ({ metric: { q, ...labels }, value: [0, String(v)] as [number, string] });
const sw = (i: string, more = {}) => ({ instance: 'sw1', ifIndex: i, ifName: `Gi0/${i}`, ifDescr: `GigabitEthernet0/${i}`, ...more });

test('interfaces of devices and machines, the full and the failing first', () => {
  const data = {
    resultType: 'vector', result: [
      sample('in', sw('1'), 1e6), sample('out', sw('1'), 9.7e8), sample('speed', sw('1', { ifAlias: 'uplink' }), 1e9), sample('oper', sw('1'), 1), sample('admin', sw('1'), 1),
      sample('in', sw('2'), 0), sample('oper', sw('2'), 2), sample('admin', sw('2'), 1), sample('speed', sw('2'), 1e9),
      sample('oper', sw('3'), 2), sample('admin', sw('3'), 2),
      sample('in', { instance: 'web1', device: 'eth0' }, 2e6), sample('err', { instance: 'web1', device: 'eth0' }, 0.5), sample('speed', { instance: 'web1', device: 'eth0' }, 1e10),
      { metric: { q: 'info', instance: 'web1', device: 'eth0', operstate: 'up', address: '52:54:00:00:00:01' }, value: [0, '1'] as [number, string] },
    ],
  } as QueryData;
  const ports = portsOf(data);
  expect(ports.map((p) => [p.device, p.name, stateText(p), p.status])).toEqual([['sw1', 'Gi0/1', 'up', 'crit'], ['web1', 'eth0', 'up', 'warn'], ['sw1', 'Gi0/2', 'down', 'pending'], ['sw1', 'Gi0/3', 'off', 'maint']]);
  expect(ports[0]!.use).toBeCloseTo(97);
  expect(ports[0]!.alias).toBe('uplink');
  const devices = devicesOf(ports);
  expect(devices.map((d) => [d.name, d.machine, d.up, d.ports.length, d.status])).toEqual([['sw1', false, 1, 3, 'crit'], ['web1', true, 1, 1, 'warn']]);
  expect(devices[0]!.busiest?.name).toBe('Gi0/1');
});

test('queries name what they ask', () => {
  expect(networkQuery('sw "1"')).toContain('ifHCInOctets{instance="sw \\"1\\""}');
  expect(networkQuery()).toContain('label_replace(ifOperStatus,"q","oper","","")');
  const [p] = portsOf({ resultType: 'vector', result: [sample('in', sw('1'), 1)] } as QueryData);
  expect(trafficQuery([p!])).toContain('ifHCInOctets{instance="sw1",ifIndex="1"}');
});
