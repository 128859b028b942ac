import { expect, test } from 'vitest';
import { metricNames, parses, selectors, similar, withMatchers } from './promql';

test('selectors are found wherever they stand', () => {
  expect(selectors('sum by (a) (rate(foo{a="b", "c.d"!~"e"}[5m])) / on(a) bar offset 5m').map((s) => [s.name, s.matchers.map((m) => m.name + m.op + m.value)])).toEqual([['foo', ['a=b', 'c.d!~e']], ['bar', []]]);
  expect(metricNames('{__name__="x"} + {"y.z", a="b"} + up')).toEqual(['x', 'y.z', 'up']);
  expect(selectors('1 + time()')).toEqual([]);
  expect(selectors('sum(foo{').map((s) => s.name)).toEqual(['foo']);
});

test.each([
  ['up', 'up{env="prod"}'],
  ['up{}', 'up{env="prod"}'],
  ['up{job="a"}', 'up{job="a",env="prod"}'],
  ['up{job="a",}', 'up{job="a",env="prod"}'],
  ['up{env="dev"}', 'up{env="dev"}'],
  ['rate(a[5m]) / rate(b{x="}"}[5m])', 'rate(a{env="prod"}[5m]) / rate(b{x="}",env="prod"}[5m])'],
  ['{__name__=~"a.*"}', '{__name__=~"a.*",env="prod"}'],
  ['sum(rate(a[5m:1m])) by (env)', 'sum(rate(a{env="prod"}[5m:1m])) by (env)'],
  ['vector(1)', 'vector(1)'],
])('a scope on %s', (expr, want) => {
  const got = withMatchers(expr, [{ name: 'env', op: '=', value: 'prod' }]);
  expect(got).toBe(want);
  expect(parses(got)).toBe(true);
});

test('a value in a scope cannot leave its quotes', () => {
  const got = withMatchers('up', [{ name: 'a', op: '=', value: '"} or vector(1) #\\' }]);
  expect(parses(got)).toBe(true);
  expect(selectors(got)[0]?.matchers[0]?.value).toBe('"} or vector(1) #\\');
});

test('a mistyped name finds its neighbours', () => {
  const all = ['node_cpu_seconds_total', 'node_cpu_guest_seconds_total', 'node_load1', 'up'];
  expect(similar('node_cpu_seconds_totl', all)[0]).toBe('node_cpu_seconds_total');
  expect(similar('completely_other_thing', all)).toEqual([]);
});
