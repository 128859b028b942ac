// Markdown as a tree of blocks that components draw: there is no HTML in between, so nothing in a text can become an element of its own. What runbooks
// use is read: headings, paragraphs, lists, tasks, quotes, code, tables, rules, emphasis, code, links. HTML stands as the text that it is.

export type Inline =
  | { kind: 'text'; text: string }
  | { kind: 'code'; text: string }
  | { kind: 'strong' | 'em' | 'del'; inner: Inline[] }
  | { kind: 'link'; href: string; inner: Inline[] };

export type Block =
  | { kind: 'heading'; level: number; inner: Inline[] }
  | { kind: 'p'; inner: Inline[] }
  | { kind: 'list'; ordered: boolean; start: number; items: Item[] }
  | { kind: 'quote'; blocks: Block[] }
  | { kind: 'code'; lang: string; text: string }
  | { kind: 'table'; head: Inline[][]; rows: Inline[][][] }
  | { kind: 'rule' };
export interface Item { /** Of a task: its number among the steps of the text, from 0. */ step?: number; checked?: boolean; inner: Inline[]; blocks: Block[] }

const deepest = 8; // lists in lists, quotes in quotes: nobody writes more, and a hostile text must not fill the stack
const longest = 200_000; // characters

export interface Doc { front: Record<string, string>; blocks: Block[]; steps: { step: number; text: string }[] }

export function parseMarkdown(source: string): Doc {
  let text = source.slice(0, longest).replace(/\r\n?/g, '\n').replace(/\t/g, '    ');
  const front: Record<string, string> = {};
  const head = /^---\n([\s\S]*?)\n---\n?/.exec(text);
  if (head) {
    text = text.slice(head[0].length);
    for (const line of head[1]!.split('\n')) { const m = /^([\w-]+):\s*(.*)$/.exec(line); if (m) front[m[1]!] = m[2]!.replace(/^["']|["']$/g, ''); }
  }
  const steps: Doc['steps'] = [];
  return { front, blocks: blocksOf(text.split('\n'), 0, steps), steps };
}

function blocksOf(lines: readonly string[], depth: number, steps: Doc['steps']): Block[] {
  const out: Block[] = [];
  let i = 0;
  while (i < lines.length) {
    const line = lines[i]!;
    if (line.trim() === '') { i++; continue; }
    const fence = /^( {0,3})(`{3,}|~{3,})\s*([\w-]*).*$/.exec(line);
    if (fence) {
      const body: string[] = [];
      const close = new RegExp(`^ {0,3}${fence[2]![0]}{${fence[2]!.length},}\\s*$`);
      for (i++; i < lines.length && !close.test(lines[i]!); i++) body.push(lines[i]!.slice(Math.min(fence[1]!.length, /^ */.exec(lines[i]!)![0].length)));
      i++;
      out.push({ kind: 'code', lang: fence[3]!.toLowerCase(), text: body.join('\n') });
      continue;
    }
    const h = /^ {0,3}(#{1,6})\s+(.*?)\s*#*\s*$/.exec(line);
    if (h) { out.push({ kind: 'heading', level: h[1]!.length, inner: inlineOf(h[2]!) }); i++; continue; }
    if (/^ {0,3}([-*_])( *\1){2,} *$/.test(line)) { out.push({ kind: 'rule' }); i++; continue; }
    if (/^ {0,3}>/.test(line)) {
      const body: string[] = [];
      for (; i < lines.length && /^ {0,3}>/.test(lines[i]!); i++) body.push(lines[i]!.replace(/^ {0,3}> ?/, ''));
      out.push(depth < deepest ? { kind: 'quote', blocks: blocksOf(body, depth + 1, steps) } : { kind: 'p', inner: [{ kind: 'text', text: body.join(' ') }] });
      continue;
    }
    if (marker(line)) { const [list, next] = listAt(lines, i, depth, steps); out.push(list); i = next; continue; }
    if (line.includes('|') && /^ *\|?( *:?-+:? *\|)+ *(:?-+:? *)?$/.test(lines[i + 1] ?? '')) {
      const cells = (l: string) => l.trim().replace(/^\||\|$/g, '').split('|').map((c) => inlineOf(c.trim()));
      const head = cells(line);
      const rows: Inline[][][] = [];
      for (i += 2; i < lines.length && lines[i]!.includes('|'); i++) rows.push(cells(lines[i]!));
      out.push({ kind: 'table', head, rows });
      continue;
    }
    const body = [line.trim()];
    for (i++; i < lines.length && lines[i]!.trim() !== '' && !/^ {0,3}(#{1,6}\s|>|`{3}|~{3})/.test(lines[i]!) && !marker(lines[i]!); i++) body.push(lines[i]!.trim());
    out.push({ kind: 'p', inner: inlineOf(body.join(' ')) });
  }
  return out;
}

function marker(line: string): { indent: number; width: number; ordered: boolean; start: number } | null {
  const m = /^( *)([-*+]|(\d{1,9})[.)]) +(?=\S)/.exec(line);
  return m ? { indent: m[1]!.length, width: m[0].length, ordered: m[3] !== undefined, start: Number(m[3] ?? 1) } : null;
}

function listAt(lines: readonly string[], from: number, depth: number, steps: Doc['steps']): [Block, number] {
  const first = marker(lines[from]!)!;
  const items: Item[] = [];
  let i = from;
  while (i < lines.length) {
    const m = marker(lines[i]!);
    if (!m || m.indent > first.indent + 1 || m.indent < first.indent || m.ordered !== first.ordered) break;
    const body: string[] = [];
    let text = lines[i]!.slice(m.width);
    for (i++; i < lines.length; i++) {
      const l = lines[i]!;
      const indent = /^ */.exec(l)![0].length;
      if (l.trim() === '') { if ((lines[i + 1] ?? '').trim() === '' || /^ */.exec(lines[i + 1]!)![0].length <= first.indent) break; body.push(''); continue; }
      if (indent <= first.indent) break;
      body.push(l.slice(Math.min(indent, m.width)));
    }
    while (i < lines.length && lines[i]!.trim() === '' && marker(lines[i + 1] ?? '')?.indent === first.indent) i++;
    const task = /^\[([ xX])\]\s+/.exec(text);
    if (task) text = text.slice(task[0].length);
    // Lines that only go on with the sentence belong to it.
    while (body.length > 0 && body[0]!.trim() !== '' && !marker(body[0]!) && !/^\s*(#|>|`{3}|~{3})/.test(body[0]!)) text += ` ${body.shift()!.trim()}`;
    const item: Item = { inner: inlineOf(text), blocks: [] };
    if (task) {
      item.step = steps.length;
      item.checked = task[1] !== ' ';
      steps.push({ step: steps.length, text });
    }
    item.blocks = depth < deepest ? blocksOf(body, depth + 1, steps) : [];
    items.push(item);
  }
  return [{ kind: 'list', ordered: first.ordered, start: first.start, items }, Math.max(i, from + 1)];
}

/** Links lead to web pages, mail and this application alone: javascript: and data: are text. */
export function safeHref(href: string): string | null {
  const h = href.trim();
  if (/^(https?:\/\/|mailto:)/i.test(h)) return h;
  return /^[a-z][a-z0-9+.-]*:/i.test(h) || h.startsWith('//') || /[\u0000-\u001f]/.test(h) || h === '' ? null : h;
}

export function inlineOf(text: string, depth = 0): Inline[] {
  const out: Inline[] = [];
  let plain = '';
  const flush = () => { if (plain) out.push({ kind: 'text', text: plain }); plain = ''; };
  const put = (x: Inline) => { flush(); out.push(x); };
  for (let i = 0; i < text.length;) {
    const rest = text.slice(i, i + 2000);
    const c = text[i]!;
    let m: RegExpExecArray | null;
    if (c === '\\' && /^\\[\\`*_{}[\]()#+\-.!|~<>]/.test(rest)) { plain += text[i + 1]; i += 2; continue; }
    if (c === '`' && (m = /^(`+)([^`]|[^`][\s\S]*?[^`])\1(?!`)/.exec(rest))) { put({ kind: 'code', text: m[2]!.trim() }); i += m[0].length; continue; }
    if (depth < deepest) {
      if (c === '[' && (m = /^\[((?:[^[\]\\]|\\.)*)\]\(\s*<?([^\s()<>]*(?:\([^\s()]*\)[^\s()<>]*)*)>?(?:\s+"[^"]*")?\s*\)/.exec(rest))) {
        const href = safeHref(m[2]!);
        if (href !== null) put({ kind: 'link', href, inner: inlineOf(m[1]!, depth + 1) });
        else plain += m[0];
        i += m[0].length;
        continue;
      }
      if ((c === '*' || c === '_') && (m = /^(\*\*|__)(?=\S)([\s\S]*?\S)\1/.exec(rest)) && !(c === '_' && /\w/.test(text[i - 1] ?? ' '))) { put({ kind: 'strong', inner: inlineOf(m[2]!, depth + 1) }); i += m[0].length; continue; }
      if ((c === '*' || c === '_') && (m = /^([*_])(?=[^\s*_])([\s\S]*?[^\s])\1(?![\w*])/.exec(rest)) && !(c === '_' && /\w/.test(text[i - 1] ?? ' '))) { put({ kind: 'em', inner: inlineOf(m[2]!, depth + 1) }); i += m[0].length; continue; }
      if (c === '~' && (m = /^~~(?=\S)([\s\S]*?\S)~~/.exec(rest))) { put({ kind: 'del', inner: inlineOf(m[1]!, depth + 1) }); i += m[0].length; continue; }
    }
    if ((c === '<' || c === 'h') && !/\w/.test(text[i - 1] ?? ' ') && (m = /^<?(https?:\/\/[^\s<>()"'`]+[^\s<>()"'`.,;:!?])>?/.exec(rest)) && m[0].startsWith('<') === m[0].endsWith('>')) { put({ kind: 'link', href: m[1]!, inner: [{ kind: 'text', text: m[1]! }] }); i += m[0].length; continue; }
    plain += c;
    i++;
  }
  flush();
  return out;
}

export function plainText(list: readonly Inline[]): string {
  return list.map((x) => ('inner' in x ? plainText(x.inner) : x.text)).join('');
}
