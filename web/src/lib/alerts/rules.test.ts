import { describe, expect, it } from 'vitest';
import { filterRules, firedText, newGroup, noiseText, rowsOf, ruleYAML, rulesIn, stateOf } from './rules';
import type { Rule, RuleSet } from './types';

const rule = (more: Partial<Rule>): Rule => ({ type: 'alerting', name: 'A', query: 'up == 0', state: 'inactive', health: 'ok', evaluationTime: 0.01, lastEvaluation: '2026-03-01T12:00:00Z', ...more });
const set = (rules: Rule[], more: Partial<RuleSet> = {}): RuleSet => ({ name: 'g', source: 'file', path: '/a.yml', interval: 60, rules, ...more });

describe('rules', () => {
  it('that cannot be evaluated are broken, whatever they said last', () => {
    expect(stateOf(rule({ health: 'err', state: 'firing' }))).toBe('broken');
    expect(stateOf(rule({ type: 'recording' }))).toBe('recording');
    expect(rowsOf([set([rule({ state: 'firing', labels: { severity: 'warning' } }), rule({ state: 'firing', labels: { severity: 'critical' } })])]).map((r) => r.status)).toEqual(['warn', 'crit']);
  });
  it('are found by words, state and source', () => {
    const rows = rowsOf([set([rule({ name: 'DiskFull' }), rule({ name: 'Down', state: 'firing' })]), set([rule({ name: 'Mine' })], { source: 'document', name: 'zeta' })]);
    const f = (text: string, state = '', source = '') => filterRules(rows, { text, state, source }).map((r) => r.rule.name);
    expect(f('disk up')).toEqual(['DiskFull']);
    expect(f('zeta')).toEqual(['Mine']);
    expect(f('', 'firing')).toEqual(['Down']);
    expect(f('', '', 'document')).toEqual(['Mine']);
  });
  it('become YAML that is read as it was', () => {
    const text = ruleYAML(rule({ name: 'Disk full', query: 'a{b="c"} > 1', duration: 600, keepFiringFor: 90, labels: { severity: 'warning', on: 'yes' }, annotations: { summary: '{{ $value }} is: much' } }));
    expect(text).toBe(`alert: Disk full\nexpr: 'a{b="c"} > 1'\nfor: 10m\nkeep_firing_for: 1m30s\nlabels:\n  severity: warning\n  on: "yes"\nannotations:\n  summary: "{{ $value }} is: much"\n`);
    expect(ruleYAML(rule({ type: 'recording', name: 'a:b', query: 'sum(\n  x\n)\n' }))).toBe('record: "a:b"\nexpr: |\n  sum(\n    x\n  )\n');
  });
  it('are taken out of a group one by one', () => {
    expect(rulesIn(newGroup).map((r) => [r.name, r.line])).toEqual([['LoadIsHigh', 4]]);
    expect(rulesIn(newGroup)[0]!.text.split('\n').slice(0, 5)).toEqual(['alert: LoadIsHigh', 'expr: node_load5 > 8', 'for: 10m', 'labels:', '  severity: warning']);
    const two = 'groups:\n- name: a\n  rules:\n  - record: x:y\n    expr: |\n      sum(\n        z\n      )\n\n  - expr: up == 0\n    alert: "Down"\n- name: b\n  rules: []\n';
    expect(rulesIn(two)).toEqual([{ name: 'x:y', line: 4, text: 'record: x:y\nexpr: |\n  sum(\n    z\n  )\n' }, { name: 'Down', line: 10, text: 'expr: up == 0\nalert: "Down"\n' }]);
    expect(rulesIn('- - - [')).toEqual([]);
  });
  it('said in words', () => {
    const f = (from: string, to: string | null) => ({ labels: {}, from, to, value: '1' });
    expect(firedText(2, [f('2026-03-01T12:00:00Z', '2026-03-01T12:01:00Z'), f('2026-03-01T13:00:00Z', null)], Date.parse('2026-03-01T13:02:00Z') / 1000, (s) => `${s} s`)).toBe('It would have fired 2 times, for 180 s in all.');
    expect(firedText(0, [], 0, String)).toBe('It would not have fired.');
    expect(noiseText({ name: 'a', fired: 9, resolved: 9, flapping: 5, minutes: 1, acted: 0, kind: 'flapping' }, 7)).toContain('flaps');
  });
});
