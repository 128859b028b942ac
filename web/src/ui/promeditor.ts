// The editor with PromQL: its grammar, completion from our server, and its checks.
import { autocompletion } from '@codemirror/autocomplete';
import { PromQLExtension } from '@prometheus-io/codemirror-promql';
import { createCodeEditor, type Editor, type EditorOptions } from './codeeditor';
import { completionClient } from './promclient';

export * as promql from '../lib/promql';
export type { Editor } from './codeeditor';

export function createEditor(o: EditorOptions): Editor {
  const promql = new PromQLExtension().setComplete({ remote: completionClient(o.range), maxMetricsMetadata: 20_000 });
  return createCodeEditor(o, [autocompletion({ closeOnBlur: true, icons: false, maxRenderedOptions: 100 }), promql.asExtension()], () => promql.destroy());
}
