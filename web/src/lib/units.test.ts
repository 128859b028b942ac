import { expect, test } from 'vitest';
import { axisValues, formatValue, guessUnit, type Unit } from './units';

test.each<[number | null, Unit, string]>([
  [1536, 'bytes', '1.5 KiB'], [1023, 'bytes', '0.999 KiB'], [999, 'bytes', '999 B'], [5 * 2 ** 30, 'bytes', '5 GiB'], [-2048, 'bytes', '−2 KiB'], [1e6, 'bits/s', '1 Mbit/s'],
  [0.4217, 'ratio', '42.2 %'], [12345, 'short', '12.3k'], [999.9, 'short', '1k'], [0.5, 'short', '0.5'], [0, 'short', '0'], [0.000123, 'short', '1.2e-4'], [0.25, 'seconds', '250 ms'], [90, 'seconds', '1 min 30 s'],
  [NaN, 'short', 'NaN'], [Infinity, 'bytes', '+∞'], [null, 'bytes', '–'], [1, 'boolean', 'yes'], [36.6, 'celsius', '36.6 °C'], [0.0042, 'volts', '0.0042 V'], [0.00042, 'volts', '0.42 mV'],
])('%s as %s', (v, unit, want) => expect(formatValue(v, unit)).toBe(want));

test('an axis has no −0', () => expect(axisValues([-1e-17, 0.5], 'short')).toEqual(['0', '0.5']));

test.each<[string, Unit]>([
  ['node_memory_MemAvailable_bytes', 'bytes'],
  ['rate(node_network_receive_bytes_total[1m])', 'bytes/s'],
  ['sum by (mode) (rate(node_cpu_seconds_total{mode!="idle"}[1m]))', 'ratio'],
  ['rate(http_requests_total[5m])', 'per second'],
  ['histogram_quantile(0.95, sum by (le) (rate(http_request_duration_seconds_bucket[5m])))', 'seconds'],
  ['rate(http_request_duration_seconds_sum[5m]) / rate(http_request_duration_seconds_count[5m])', 'seconds'],
  ['node_filesystem_avail_bytes / node_filesystem_size_bytes', 'ratio'],
  ['100 - 100 * node_filesystem_avail_bytes / node_filesystem_size_bytes', 'percent'],
  ['count by (job) (node_memory_MemTotal_bytes)', 'short'],
  ['sum by (le) (rate(http_request_duration_seconds_bucket[1m]))', 'per second'],
  ['node_boot_time_seconds', 'timestamp'],
  ['http_response_time_seconds', 'seconds'],
  ['node_hwmon_temp_celsius', 'celsius'],
  ['up', 'short'],
  ['', 'short'],
  ['process_resident_memory_bytes{job="a_seconds"}', 'bytes'],
])('the unit of %s', (expr, want) => expect(guessUnit(expr)).toBe(want));

test('the metadata knows better than the name', () => expect(guessUnit('queue_age', 'seconds')).toBe('seconds'));
