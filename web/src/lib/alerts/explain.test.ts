import { expect, it } from 'vitest';
import { flatten, groupText, parseLabels, receiverSentences, stepText, timesText } from './explain';

it('a receiver in sentences', () => {
  const now = Date.UTC(2026, 2, 1, 12) / 1000;
  expect(receiverSentences({ receiver: 'db', route: [[], ['team="db"']], group_by: ['alertname'], group_labels: { alertname: 'Disk' }, group_wait: '30s', group_interval: '5m', repeat_interval: '4h', integrations: [{ kind: 'email', to: 'db@example.org' }, 'webhook'], people: ['Ana', { name: 'Ben' }], next: '2026-03-01T12:00:20Z' }, now)).toEqual([
    '“db” is told by email (db@example.org) and webhook, which reaches Ana and Ben.',
    'It comes there by the route everything → team="db".',
    'It is told together with others of the same alertname (alertname=Disk).',
    'The first message waits 30 s for others, news of the group follow after 5 min, and it is told again every 4 h while it lasts.',
    'The next message is due in 20 s.',
  ]);
  expect(receiverSentences({ receiver: 'page', route: [] }, now)[0]).toContain('tells nobody');
  expect(groupText({ group_by: ['...'] })).toContain('alone');
  expect(timesText({ group_wait: 30e9, group_interval: 300, repeat_interval: '1d' })).toContain('every 1 d');
});

it('the tree has no dashes: what is not written is the parent’s', () => {
  const rows = flatten({ receiver: 'ops', group_by: ['alertname'], group_wait: '30s', group_interval: '5m', repeat_interval: '4h', routes: [{ receiver: '', matchers: ['team="db"'], group_wait: '10s', routes: [{ receiver: 'night', matchers: ['severity="critical"'] }] }] });
  expect(rows.map((r) => [r.depth, r.node.receiver, r.way, r.node.group_by?.join(), r.node.group_wait, r.node.repeat_interval])).toEqual([
    [0, 'ops', 'everything', 'alertname', '30s', '4h'], [1, 'ops', 'team="db"', 'alertname', '10s', '4h'], [2, 'night', 'severity="critical"', 'alertname', '10s', '4h'],
  ]);
  expect(stepText(['a="b"', 'c="d"'])).toBe('a="b", c="d"');
});

it('labels as people type them', () => {
  expect(parseLabels('alertname=Disk, host="db 1"  env=prod').labels).toEqual({ alertname: 'Disk', host: 'db 1', env: 'prod' });
  expect(parseLabels('{a="b"}').labels).toEqual({ a: 'b' });
  expect(parseLabels('nonsense').problem).toContain('not name=value');
  expect(parseLabels('').labels).toEqual({});
});
