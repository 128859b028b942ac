import { describe, expect, test } from 'vitest';
import { chips, filterLine, filterRange, filterValue, logPart, marksOf, rangeOf, readWords, selectorOf, setWords, standing, withoutChip, withScope, wordsOf, writeWords, type Act, type Source } from './edit';

const f = (query: string, name: string, source: Source, value: string, act: Act, want: string) => expect(filterValue(query, { name, source }, value, act)).toBe(want);

describe('a label goes into the selector', () => {
  test.each([
    ['', 'include', '{host="a"}'],
    ['{}', 'include', '{host="a"}'],
    ['{job="x"}', 'include', '{job="x", host="a"}'],
    ['{job="x"} |= "y" | json', 'exclude', '{job="x", host!="a"} |= "y" | json'],
    ['{host="a"}', 'include', '{}'],
    ['{host="a", job="x"}', 'include', '{job="x"}'],
    ['{host="b", job="x"}', 'include', '{host=~"b|a", job="x"}'],
    ['{host=~"b|a"}', 'include', '{host="b"}'],
    ['{host=~"b|a|c"}', 'exclude', '{host=~"b|c"}'],
    ['{host="a"}', 'exclude', '{host!="a"}'],
    ['{host!="a"}', 'include', '{host="a"}'],
    ['{host!="b"}', 'exclude', '{host!~"b|a"}'],
    ['{host!~"b|a"}', 'exclude', '{host!="b"}'],
    ['{host!~"b|a"}', 'include', '{host!="b", host="a"}'],
    ['{host=~"web-.+"}', 'include', '{host=~"web-.+", host="a"}'],
    ['{host=~"web-.+", job="x"}', 'only', '{host="a", job="x"}'],
    ['{host="a"}', 'only', '{}'],
    ['{host=~"a|b"}', 'only', '{host="a"}'],
  ] as const)('%s %s', (query, act, want) => f(query, 'host', 'label', 'a', act, want));
  test('in every selector of a metric query', () => f('sum(rate({job="x"}[5m])) / sum(rate({job="x"} |= "y" [5m]))', 'host', 'label', 'a', 'include', 'sum(rate({job="x", host="a"}[5m])) / sum(rate({job="x", host="a"} |= "y" [5m]))'));
  test('values are quoted, and escaped where they gather', () => {
    f('{}', 'path', 'label', 'C:\\logs "x"', 'include', '{path=`C:\\logs "x"`}');
    f('{}', 'path', 'label', 'a`\\b', 'include', '{path="a`\\\\b"}');
    f('{}', 'path', 'label', 'two\nlines', 'include', '{path="two\\nlines"}');
    f('{path="a.b"}', 'path', 'label', 'c|d', 'include', '{path=~`a\\.b|c\\|d`}');
    f('{path=~`a\\.b|c\\|d`}', 'path', 'label', 'c|d', 'include', '{path="a.b"}');
  });
  test('a brace in a string is no end of the selector', () => f('{job="}", x="{"} |= "{"', 'host', 'label', 'a', 'include', '{job="}", x="{", host="a"} |= "{"'));
  test('comments stay', () => f('{job="x"} # {host="z"}\n| json', 'host', 'label', 'a', 'include', '{job="x", host="a"} # {host="z"}\n| json'));
});

describe('a stored field goes before the parsers', () => {
  test.each([
    ['{}', 'include', '{} | level="error"'],
    ['{a="b"} |= "x" |= any("y") | json | z="1"', 'include', '{a="b"} |= "x" |= any("y") | level="error" | json | z="1"'],
    ['{a="b"} | json', 'exclude', '{a="b"} | level!="error" | json'],
    ['{a="b"} | level="error" | json', 'include', '{a="b"} | json'],
    ['{a="b"} | json | level="error"', 'include', '{a="b"} | json'],
    ['{a="b"} | level="warn"', 'include', '{a="b"} | level=~"warn|error"'],
    ['{a="b"} | level=~"warn|error"', 'include', '{a="b"} | level="warn"'],
    ['{a="b"} | level=~"warn|error"', 'exclude', '{a="b"} | level="warn"'],
    ['{a="b"} | level="error"', 'exclude', '{a="b"} | level!="error"'],
    ['{a="b"} | level="error" or x > 5', 'include', '{a="b"} | level="error" or x > 5 | level="error"'],
    ['{a="b"} | level="warn" | level!="debug"', 'only', '{a="b"} | level="error"'],
    ['{a="b"} != "x"', 'include', '{a="b"} != "x" | level="error"'],
    ['sum by (x) (count_over_time({a="b"} |= "x" [5m]))', 'include', 'sum by (x) (count_over_time({a="b"} |= "x" | level="error" [5m]))'],
  ] as const)('%s %s', (query, act, want) => f(query, 'level', 'stored', 'error', act, want));
});

describe('a parsed field goes behind its parser, which is added when it is missing', () => {
  test.each([
    ['{}', 'json', '{} | json | status="500"'],
    ['{} |= "x"', 'json', '{} |= "x" | json | status="500"'],
    ['{} |= "x" | detected_level="error"', 'json', '{} |= "x" | detected_level="error" | json | status="500"'],
    ['{} | json', 'json', '{} | json | status="500"'],
    ['{} | json | method="GET" | line_format "{{.x}}"', 'json', '{} | json | method="GET" | status="500" | line_format "{{.x}}"'],
    ['{} | json != "x"', 'json', '{} | json | status="500" != "x"'],
    ['{} | json | drop __error__', 'json', '{} | json | status="500" | drop __error__'],
    ['{} | json', 'logfmt', '{} | json | logfmt | status="500"'],
    ['{} | logfmt --strict', 'logfmt', '{} | logfmt --strict | status="500"'],
    ['{} | pattern `<ip> <_>` | ip!="::1" | json', 'parsed', '{} | pattern `<ip> <_>` | ip!="::1" | json | status="500"'],
    ['{} | regexp `(?P<status>\\d+)`', 'parsed', '{} | regexp `(?P<status>\\d+)` | status="500"'],
    ['{} | json | label_format status=code', 'parsed', '{} | json | label_format status=code | status="500"'],
    ['{} | label_format x=y', 'json', '{} | json | status="500" | label_format x=y'],
  ] as const)('%s %s', (query, source, want) => f(query, 'status', source, '500', 'include', want));
  test('an equal number that was written without quotes is taken away', () => f('{} | json | status=500', 'status', 'json', '500', 'include', '{} | json'));
});

describe('ranges', () => {
  const r = (query: string, range: { min?: string; max?: string }, want: string, source: Source = 'json') => expect(filterRange(query, { name: 'ms', source }, range)).toBe(want);
  test('are written, changed and taken away', () => {
    r('{}', { min: '10' }, '{} | json | ms >= 10');
    r('{} | json | ms >= 10', { min: '10', max: '250ms' }, '{} | json | ms >= 10 | ms <= 250ms');
    r('{} | json | ms >= 10 | a="b" | ms < 20', { max: '5' }, '{} | json | ms <= 5 | a="b"');
    r('{} | json | ms >= 10', {}, '{} | json');
    r('{a="b"}', { min: '1KiB' }, '{a="b"} | ms >= 1KiB', 'label');
  });
  test('are read', () => {
    expect(rangeOf('{} | json | ms >= 10 | ms < 1h30m', 'ms')).toEqual({ min: '10', max: '1h30m' });
    expect(rangeOf('{} | json', 'ms')).toEqual({});
  });
});

describe('lines and patterns', () => {
  test.each([
    ['{}', '|=', 'a', '{} |= "a"'],
    ['{} |= "b" | json', '|>', 'GET <_> "x"', '{} |= "b" |> `GET <_> "x"` | json'],
    ['{} |> `GET <_>`', '|>', 'GET <_>', '{}'],
    ['{} |> `GET <_>` | json', '!>', 'GET <_>', '{} !> "GET <_>" | json'],
    ['{} | json | line_format "{{.msg}}"', '|=', 'a', '{} | json | line_format "{{.msg}}" |= "a"'],
    ['{} | json', '!=', 'a', '{} != "a" | json'],
    ['{}\n  |= "a"\n  | json', '|=', 'a', '{}\n  | json'],
  ] as const)('%s %s', (query, op, value, want) => expect(filterLine(query, op, value)).toBe(want));
  test('any', () => expect(filterLine('{} | json', '|=', 'abc', 'any')).toBe('{} |= any("abc") | json'));
});

describe('plain words', () => {
  test('become filters of the line and of every field', () => {
    expect(setWords('', readWords('timeout "connection reset" -debug'))).toBe('{} |= any("timeout") |= any("connection reset") != any("debug")');
    expect(setWords('{a="b"} |= any("old") | json | x="1"', readWords('new'))).toBe('{a="b"} |= any("new") | json | x="1"');
    expect(setWords('{a="b"} |= any("old") != any("older") | json', [])).toBe('{a="b"} | json');
    expect(setWords('{} | json', readWords('a', true))).toBe('{} |~ any("(?i)a") | json');
    expect(setWords('{}', readWords('a.b', true))).toBe('{} |~ any(`(?i)a\\.b`)');
  });
  test('are read back, and nothing else is', () => {
    expect(wordsOf('{} |= any("a b") != any("c") |~ any(`(?i)d\\.e`) |= "line" |~ any("x.+") |= any("p") or any("q")')).toEqual([
      { text: 'a b', not: false, anyCase: false }, { text: 'c', not: true, anyCase: false }, { text: 'd.e', not: false, anyCase: true },
    ]);
  });
  test.each(['a b', '"a b" c', '-a b', '"-a"', 'x"y', '"say \\"hi\\""', '-"no thing"', '-', 'tail\\'])('survive: %s', (text) => {
    const words = readWords(text);
    expect(readWords(writeWords(words))).toEqual(words);
    expect(wordsOf(setWords('{}', words))).toEqual(words);
  });
  test('an open quote is a phrase that is still being written', () => expect(readWords('"half a')).toEqual([{ text: 'half a', not: false, anyCase: false }]));
});

test('chips are everything else, and go one by one', () => {
  const query = '{a="b", c!="d"} |= any("w") |= "line" !> `p <_>` | json | x>=5 | y="1" or z="2"';
  expect(chips(query).map((c) => [c.kind, c.text, c.not])).toEqual([
    ['label', 'a="b"', false], ['label', 'c!="d"', true], ['line', '|= "line"', false], ['line', '!> `p <_>`', true], ['stage', 'json', false], ['field', 'x>=5', false], ['field', 'y="1" or z="2"', false],
  ]);
  expect(withoutChip(query, chips(query)[0]!)).toBe('{c!="d"} |= any("w") |= "line" !> `p <_>` | json | x>=5 | y="1" or z="2"');
  expect(withoutChip(query, chips(query)[5]!)).toBe('{a="b", c!="d"} |= any("w") |= "line" !> `p <_>` | json | y="1" or z="2"');
});

test('what the query says of a value', () => {
  expect(standing('{host=~"a|b"}', { name: 'host', source: 'label' }, 'b')).toBe('included');
  expect(standing('{host!="b"}', { name: 'host', source: 'label' }, 'b')).toBe('excluded');
  expect(standing('{} | json | status="500"', { name: 'status', source: 'json' }, '500')).toBe('included');
  expect(standing('{} | json | status=~"5.."', { name: 'status', source: 'json' }, '500')).toBe('');
  expect(standing('{host="a"}', { name: 'host', source: 'stored' }, 'a')).toBe('');
});

test('the scope narrows each selector that leaves the label open', () => {
  expect(withScope('sum(rate({job="x"}[5m])) + sum(rate({env="dev"}[5m]))', [{ name: 'env', op: '=', value: 'prod' }])).toBe('sum(rate({job="x", env="prod"}[5m])) + sum(rate({env="dev"}[5m]))');
  expect(withScope('{a="b"}', [])).toBe('{a="b"}');
  expect(withScope('', [{ name: 'env', op: '=~', value: 'a|b' }])).toBe('{env=~"a|b"}');
});

test('the part that finds lines', () => {
  expect(logPart('sum by (level) (count_over_time({a="b"} |= "x" | json [5m] offset 1h)) > 5')).toBe('{a="b"} |= "x" | json');
  expect(logPart('{a="b"} | json')).toBe('{a="b"} | json');
  expect(logPart('vector(1)')).toBe('{}');
});

test('a stream as a selector', () => expect(selectorOf({ job: 'x', a: '"' })).toBe('{a=`"`, job="x"}'));

test('what is marked in lines', () => {
  expect(marksOf('{} |= "a" or "b" |= any("c") |~ "(?i)d|e" |~ "f+" != "g" |= ip("10.0.0.0/8") | json |= "h"')).toEqual([
    { text: 'a', anyCase: false }, { text: 'b', anyCase: false }, { text: 'c', anyCase: false }, { text: 'd', anyCase: true }, { text: 'e', anyCase: true }, { text: 'h', anyCase: false },
  ]);
});
