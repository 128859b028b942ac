// What can be done from within a line; the page does it.
import type { Act, FieldRef } from '../../lib/logs/edit';
import type { Row } from '../../lib/logs/records';

export interface LineActions {
  filter: (field: FieldRef, value: string, act: Act) => void;
  context: (row: Row) => void;
  link: (row: Row) => void;
  /** Adds a column, or takes it away. */
  column: (name: string) => void;
  /** Searches a text in all logs and every field. */
  everywhere: (text: string) => void;
}
