import { expect, test } from 'vitest';
import { errorPosition, escapeRegex, literals, parse, quote, tokens, unquote } from './syntax';

const stages = (q: string) => parse(q).logs[0]!.stages.map((s) => `${s.kind}:${q.slice(s.from, s.to)}`);

test('a query falls into its stages', () => {
  expect(stages('{a="b"}|="x"!="y"|json|level="z"!~"w"| line_format "{{.a}}" |~ "v"')).toEqual(['line:|="x"', 'line:!="y"', 'parser:|json', 'label:|level="z"', 'line:!~"w"', 'format:| line_format "{{.a}}"', 'line:|~ "v"']);
  expect(stages('{a="b"} | x != "y" and (z > 5 or w =~ "v") | unwrap duration(t) | __error__=""')).toEqual(['label:| x != "y" and (z > 5 or w =~ "v")', 'format:| unwrap duration(t)', 'label:| __error__=""']);
  expect(stages('{a="b"} | json x="y.z[0]", b | drop c, d="e" | logfmt --strict --keep-empty != "f"')).toEqual(['parser:| json x="y.z[0]", b', 'format:| drop c, d="e"', 'parser:| logfmt --strict --keep-empty', 'line:!= "f"']);
  expect(stages('{a="b"} |= "x" or "y" |= any("z") |> "<_> w" | decolorize != "v"')).toEqual(['line:|= "x" or "y"', 'line:|= any("z")', 'line:|> "<_> w"', 'format:| decolorize', 'line:!= "v"']);
  expect(stages('{a="b"} | json="x" | size > 10KiB | took<=1h30m')).toEqual(['label:| json="x"', 'label:| size > 10KiB', 'label:| took<=1h30m']);
});

test('metric queries are told apart, and keep their ranges', () => {
  expect(parse('{a="b"}').metric).toBe(false);
  expect(parse('  # comment {\n{a="b"}').metric).toBe(false);
  expect(parse('').metric).toBe(false);
  const q = 'sum by (x) (rate({a="b"} | json | unwrap y [5m] offset 1h)) / sum(rate({c="d"}[1m]))';
  expect(parse(q).metric).toBe(true);
  expect(parse(q).logs.map((l) => q.slice(l.from, l.to))).toEqual(['{a="b"} | json | unwrap y', '{c="d"}']);
  expect(parse('vector(1)+vector(1)')).toEqual({ metric: true, logs: [] });
});

test('half-written queries are read as far as they go', () => {
  expect(parse('{a="b", c').logs[0]!.matchers).toHaveLength(1);
  expect(parse('{a="b').logs[0]!.matchers).toHaveLength(0);
  expect(stages('{a="b"} |= "x')).toHaveLength(1);
  expect(stages('{a="b"} |')).toEqual(['other:|']);
  expect(tokens('"open\n{').map((t) => t.kind)).toEqual(['bad', 'op']);
  expect(tokens('`open\n{').map((t) => t.kind)).toEqual(['bad']);
  for (const q of ['}', '{', '{{', '|', '!=', '"', '\\', '{a="b"} | (', ')))']) expect(() => parse(q)).not.toThrow();
});

test.each(['plain', 'a "b"', 'a\\b', 'a`b', '`"\\', 'x\ny\tz\r', '\x00\x1b[31m', 'ünï ☃ 🦉', ''])('a string comes back: %j', (s) => expect(unquote(quote(s))).toBe(s));
test('escapes of Go', () => {
  expect(unquote('"a\\x41\\u00e9\\U0001F989\\101\\n\\\\\\""')).toBe('aAé🦉A\n\\"');
  expect(unquote('"open')).toBe('open');
  expect(unquote('`a\\n`')).toBe('a\\n');
});

test('alternatives of literals', () => {
  expect(literals('a|b\\.c|d')).toEqual(['a', 'b.c', 'd']);
  expect(literals('a.b')).toBeNull();
  expect(literals('\\d')).toBeNull();
  expect(literals('(?i)a')).toBeNull();
  for (const s of ['a.b', 'x|y', '(z)', 'C:\\d', '^$']) expect(literals(escapeRegex(s))).toEqual([s]);
});

test.each([
  ['parse error at line 1, col 6: syntax error: unexpected IDENTIFIER', '{a="b"} |= x', 5],
  ['cannot parse: parse error at line 2, col 3: no', '{a="b"}\n| x', 10],
  ['parse error at line 1, col 99: end', '{}', 2],
  ['parse error at line 9, col 1: beyond', '{}', null],
  ['too many streams', '{}', null],
])('where %s points', (message, query, want) => expect(errorPosition(message, query)).toBe(want));
