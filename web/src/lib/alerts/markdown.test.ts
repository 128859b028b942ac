import { describe, expect, it } from 'vitest';
import { inlineOf, parseMarkdown, plainText, safeHref } from './markdown';

describe('markdown', () => {
  it('reads what runbooks are made of', () => {
    const doc = parseMarkdown('---\ntitle: Disk full\nmatch: alertname=Disk\n---\n# Disk full\n\nThe disk *fills* **up**: see `df -h`.\n\n- [ ] Look\n  with care\n- [x] Clean\n\n  ```promql\n  node_load1\n  ```\n- plain\n\n1. one\n2. two\n   - inner\n\n> quoted\n\n| a | b |\n|---|:-:|\n| 1 | 2 |\n\n---\n');
    expect(doc.front).toEqual({ title: 'Disk full', match: 'alertname=Disk' });
    expect(doc.blocks.map((b) => b.kind)).toEqual(['heading', 'p', 'list', 'list', 'quote', 'table', 'rule']);
    expect(doc.steps.map((s) => s.text)).toEqual(['Look with care', 'Clean']);
    const list = doc.blocks[2]!;
    if (list.kind !== 'list') throw new Error('no list');
    expect(list.items.map((i) => [i.step, i.checked])).toEqual([[0, false], [1, true], [undefined, undefined]]);
    expect(list.items[1]!.blocks).toEqual([{ kind: 'code', lang: 'promql', text: 'node_load1' }]);
    const ordered = doc.blocks[3]!;
    if (ordered.kind !== 'list') throw new Error('no list');
    expect(ordered.items[1]!.blocks[0]!.kind).toBe('list');
  });
  it('has no HTML: it stays the text that it is', () => {
    const doc = parseMarkdown('<script>alert(1)</script>\n\n<img src=x onerror=alert(1)> [x](javascript:alert(1)) [y](data:text/html,x)');
    expect(doc.blocks.map((b) => (b.kind === 'p' ? b.inner : []))).toEqual([[{ kind: 'text', text: '<script>alert(1)</script>' }], [{ kind: 'text', text: '<img src=x onerror=alert(1)> [x](javascript:alert(1)) [y](data:text/html,x)' }]]);
  });
  it('links lead to pages only', () => {
    expect(safeHref('https://a.example/x')).toBe('https://a.example/x');
    expect(safeHref('explore/logs?q=1')).toBe('explore/logs?q=1');
    expect(safeHref('mailto:a@b')).toBe('mailto:a@b');
    for (const bad of ['javascript:alert(1)', 'JaVaScRiPt:alert(1)', 'java\nscript:x', 'data:text/html,x', 'vbscript:x', '//evil.example', '']) expect(safeHref(bad), bad).toBeNull();
    expect(inlineOf('see https://a.example/b.')).toEqual([{ kind: 'text', text: 'see ' }, { kind: 'link', href: 'https://a.example/b', inner: [{ kind: 'text', text: 'https://a.example/b' }] }, { kind: 'text', text: '.' }]);
  });
  it('emphasis leaves names alone', () => {
    expect(plainText(inlineOf('node_load_1 and a_b'))).toBe('node_load_1 and a_b');
    expect(inlineOf('node_load_1')).toEqual([{ kind: 'text', text: 'node_load_1' }]);
    expect(inlineOf('**a *b* c**')).toEqual([{ kind: 'strong', inner: [{ kind: 'text', text: 'a ' }, { kind: 'em', inner: [{ kind: 'text', text: 'b' }] }, { kind: 'text', text: ' c' }] }]);
    expect(inlineOf('2 * 3 * 4')).toEqual([{ kind: 'text', text: '2 * 3 * 4' }]);
  });
  it('ends, whatever comes', () => {
    for (const bad of ['- '.repeat(5000), '> '.repeat(5000), '['.repeat(20000), '*'.repeat(20000), '`'.repeat(20000), `${'  '.repeat(500)}- x`, '```\nopen', '|\n|-', '- [ ]', '\u0000']) parseMarkdown(bad);
  });
});
