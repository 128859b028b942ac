import { expect, test } from 'vitest';
import { appPath, matchRoute } from './routing';

const routes = [{ pattern: '/', key: 'home' }, { pattern: '/hosts/new', key: 'new' }, { pattern: '/hosts/:host', key: 'host' }, { pattern: '/hosts/:host/:tab', key: 'tab' }];

test.each([
  ['/', 'home', {}], ['/hosts/new', 'new', {}], ['/hosts/web-1%2Fa', 'host', { host: 'web-1/a' }], ['/hosts/a/', 'host', { host: 'a' }], ['/hosts/a/cpu', 'tab', { host: 'a', tab: 'cpu' }], ['/hosts/50%', 'host', { host: '50%' }],
])('%s', (path, key, params) => expect(matchRoute(routes, path)).toEqual({ route: routes.find((r) => r.key === key), params }));
test('an unknown path has no page', () => expect(matchRoute(routes, '/a/b/c/d')).toBeNull());

test.each([
  ['/', '/', '/'], ['/targets', '/', '/targets'], ['/obs/targets', '/obs/', '/targets'], ['/obs', '/obs/', '/'], ['/obs/', '/obs', '/'], ['/observe', '/obs/', null], ['/targets', '/obs/', null],
])('%s below %s', (pathname, base, want) => expect(appPath(pathname, base)).toBe(want));
