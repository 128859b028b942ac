import { expect, test } from 'vitest';
import { subjectQuery, subjectsIn, withoutSubjects } from './subject';

test('an address names what it asks the logs of', () => {
  expect(subjectsIn(new URLSearchParams('host=web-1&from=now-1h'))).toEqual([{ kind: 'host', name: 'web-1' }]);
  expect(subjectsIn(new URLSearchParams('container=api&host=web-1'))).toEqual([{ kind: 'host', name: 'web-1' }, { kind: 'container', name: 'api' }]);
  expect(subjectsIn(new URLSearchParams('query={}&host='))).toEqual([]);
  expect(withoutSubjects(new URLSearchParams('host=web-1&from=now-1h')).toString()).toBe('from=now-1h');
});

test('the label is the one that the logs have', () => {
  const f = (subjects: Parameters<typeof subjectQuery>[0], values: Record<string, string[]>, want: string) => expect(subjectQuery(subjects, values)).toBe(want);
  const web = { kind: 'host', name: 'web-1:9100' } as const;
  f([web], { host: ['web-1', 'web-2'] }, '{host="web-1"}');
  f([web], { instance: ['web-1:9100'] }, '{instance="web-1:9100"}');
  f([web], { hostname: ['WEB-1'] }, '{hostname="WEB-1"}');
  f([{ kind: 'service', name: 'nginx.service' }], { service_name: ['nginx'] }, '{service_name="nginx"}');
  f([web, { kind: 'container', name: '/api' }], { instance: ['web-1'], container: ['api'] }, '{instance="web-1", container="api"}');
  // Two shippers with their own ideas on one host: the lines of both.
  f([web], { instance: ['web-1'], host: ['web-1'] }, '{} | instance="web-1" or host="web-1"');
  // Nothing known: the page then says that nothing is there.
  f([web], {}, '{instance="web-1:9100"}');
  f([{ kind: 'host', name: 'a"b' }], {}, '{instance=`a"b`}');
});
