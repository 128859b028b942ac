// What may be written at a place of a LogQL query. Pure; the editor fills it with names from the server.
import { tokens, type Token } from './syntax';

export type Place =
  | { kind: 'start' | 'stage' | 'label' | 'field' | 'pipe'; from: number }
  | { kind: 'labelValue' | 'fieldValue'; from: number; name: string; mark: string }
  | { kind: 'none' };

const comparison = /^(=|!=|=~|!~)$/;

/** The place at `pos`; `from` is where what is being typed begins. */
export function placeAt(text: string, pos: number): Place {
  const list = tokens(text.slice(0, pos));
  if (list.some((t) => t.kind === 'comment' && t.to === pos)) return { kind: 'none' };
  const all = list.filter((t) => t.kind !== 'comment');
  const last = all.at(-1);
  const inSelector = all.findLastIndex((t) => t.text === '{') > all.findLastIndex((t) => t.text === '}');
  if (last?.kind === 'bad' && /^["`]/.test(last.text)) return openString(all, last, inSelector);
  const typing = last?.kind === 'name' && last.to === pos ? last : undefined;
  const before = typing ? all.at(-2) : last;
  const from = typing?.from ?? pos;
  if (inSelector) return before?.text === '{' || before?.text === ',' ? { kind: 'label', from } : { kind: 'none' };
  if (grouping(all, typing ? all.length - 1 : all.length)) return { kind: 'field', from };
  if (!before || /^([(+\-*/%^,]|==|>=|<=|[<>])$/.test(before.text)) return { kind: 'start', from };
  if (before.text === '|') return { kind: 'stage', from };
  if (before.kind === 'name' && /^(unwrap|and|or)$/.test(before.text) && piped(all)) return { kind: 'field', from };
  if (!typing && (before.text === '}' || before.kind === 'string' || (before.kind === 'name' && before.to < pos && piped(all)))) return { kind: 'pipe', from };
  return { kind: 'none' };
}

function openString(all: readonly Token[], open: Token, inSelector: boolean): Place {
  const [name, op] = [all.at(-3), all.at(-2)];
  if (!op || !name || name.kind !== 'name' || !comparison.test(op.text)) return { kind: 'none' };
  return { kind: inSelector ? 'labelValue' : 'fieldValue', from: open.from + 1, name: name.text, mark: open.text[0]! };
}

/** Within the parentheses of by (…) or without (…). */
function grouping(all: readonly Token[], end: number): boolean {
  for (let i = end - 1; i >= 0; i--) {
    const t = all[i]!;
    if (t.text === '(') return /^(by|without)$/.test(all[i - 1]?.text ?? '');
    if (t.kind !== 'name' && t.text !== ',') return false;
  }
  return false;
}

/** Within the pipeline of a selector. */
function piped(all: readonly Token[]): boolean {
  return all.findLastIndex((t) => t.text === '}') > all.findLastIndex((t) => t.text === '[');
}

export interface Word { label: string; detail: string; info?: string; /** With ${} where the cursor goes. */ insert: string }

export const stageWords: readonly Word[] = [
  { label: 'json', detail: 'parser', info: 'Takes the fields of a line in JSON; nested ones are joined by _.', insert: 'json' },
  { label: 'logfmt', detail: 'parser', info: 'Takes the pairs of a line such as level=info took=3ms.', insert: 'logfmt' },
  { label: 'pattern', detail: 'parser', info: 'Takes fields by their places: <ip> - <_> "<method> <path>".', insert: 'pattern `${}`' },
  { label: 'regexp', detail: 'parser', info: 'Takes fields by named groups: (?P<name>…).', insert: 'regexp `${}`' },
  { label: 'unpack', detail: 'parser', info: 'Takes apart what was packed into JSON while it was sent.', insert: 'unpack' },
  { label: 'line_format', detail: 'rewrites the line', info: 'A template: {{.level}} {{.msg}}.', insert: 'line_format "{{.${}}}"' },
  { label: 'label_format', detail: 'renames or makes labels', insert: 'label_format ${}=' },
  { label: 'decolorize', detail: 'takes away terminal colours', insert: 'decolorize' },
  { label: 'drop', detail: 'leaves out labels', insert: 'drop ${}' },
  { label: 'keep', detail: 'keeps only these labels', insert: 'keep ${}' },
  { label: 'unwrap', detail: 'a label as the number to work with', insert: 'unwrap ${}' },
];

export const pipeWords: readonly Word[] = [
  { label: '|=', detail: 'the line contains', insert: '|= "${}"' },
  { label: '!=', detail: 'the line does not contain', insert: '!= "${}"' },
  { label: '|= any', detail: 'the line or any field contains', insert: '|= any("${}")' },
  { label: '|~', detail: 'the line matches', insert: '|~ `${}`' },
  { label: '!~', detail: 'the line does not match', insert: '!~ `${}`' },
  { label: '|>', detail: 'the line has the pattern', insert: '|> "${}"' },
  { label: '!>', detail: 'the line has not the pattern', insert: '!> "${}"' },
  ...['json', 'logfmt'].map((w): Word => ({ label: `| ${w}`, detail: 'parser', insert: `| ${w}` })),
];

const range = ['rate', 'count_over_time', 'bytes_rate', 'bytes_over_time', 'absent_over_time'].map((f): Word => ({ label: f, detail: 'of lines', insert: `${f}(\${} [5m])` }));
const numbers = ['sum_over_time', 'avg_over_time', 'min_over_time', 'max_over_time', 'first_over_time', 'last_over_time', 'stddev_over_time', 'stdvar_over_time', 'rate_counter'].map((f): Word => ({ label: f, detail: 'of an unwrapped number', insert: `${f}(\${} [5m])` }));
const sums = ['sum', 'avg', 'min', 'max', 'count', 'stddev', 'stdvar'].map((f): Word => ({ label: f, detail: 'over series', insert: `${f}(\${})` }));

export const startWords: readonly Word[] = [
  { label: '{', detail: 'a selector', insert: '{${}}' },
  ...range, ...numbers,
  { label: 'quantile_over_time', detail: 'of an unwrapped number', insert: 'quantile_over_time(0.95, ${} [5m])' },
  ...sums,
  ...['topk', 'bottomk', 'approx_topk'].map((f): Word => ({ label: f, detail: 'over series', insert: `${f}(10, \${})` })),
  ...['sort', 'sort_desc'].map((f): Word => ({ label: f, detail: 'over series', insert: `${f}(\${})` })),
];
