import { expect, test } from 'vitest';
import { placeAt } from './complete';

/** The place at the § of a text, as "kind from-text name". */
const at = (text: string) => {
  const pos = text.indexOf('§');
  const plain = text.replace('§', '');
  const p = placeAt(plain, pos);
  return [p.kind, ...('from' in p ? [plain.slice(p.from, pos)] : []), ...('name' in p ? [p.name] : [])].join(' ').trim();
};

test.each([
  ['§', 'start'], ['ra§', 'start ra'], ['sum(§', 'start'], ['sum(rate({a="b"}[1m])) / §', 'start'],
  ['{§', 'label'], ['{ho§', 'label ho'], ['{a="b", §}', 'label'], ['{a="b" §', 'none'], ['{a=§', 'none'],
  ['{host="§"}', 'labelValue  host'], ['{host=~`we§', 'labelValue we host'], ['{a="}", host="x§', 'labelValue x host'],
  ['{a="b"} | §', 'stage'], ['{a="b"} | js§', 'stage js'], ['{a="b"} | json | lev§', 'stage lev'],
  ['{a="b"} §', 'pipe'], ['{a="b"} |= "x" §', 'pipe'], ['{a="b"} | json §', 'pipe'],
  ['{a="b"} | json | level="§', 'fieldValue  level'], ['{a="b"} |= "§', 'none'], ['{a="b"} |= any("§', 'none'],
  ['{a="b"} | json | x="y" and §', 'field'], ['{a="b"} | unwrap la§', 'field la'],
  ['sum by (§', 'field'], ['sum by (a, le§) (x)', 'field le'], ['sum without(§', 'field'],
  ['{a="b"} # a comment §', 'none'],
])('%s', (text, want) => expect(at(text)).toBe(want));
