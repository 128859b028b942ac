import { load } from '../../routes';

/** Whether there are pages of traces: nothing links to a page that is not there. */
export function hasTraces(): boolean { return 'traces' in load && 'trace' in load; }
export function hasMap(): boolean { return 'servicemap' in load; }
