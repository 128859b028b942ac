// Short messages that pass. Errors of a page stand on the page; a toast only confirms what was done, or offers one action.
export interface Toast { id: number; text: string; status: 'ok' | 'warn' | 'crit' | 'info'; action?: { label: string; run: () => void } }

class Toasts {
  list = $state<Toast[]>([]);
  #next = 1;
  show(text: string, status: Toast['status'] = 'info', opts: { seconds?: number; action?: Toast['action'] } = {}): void {
    const id = this.#next++;
    this.list.push({ id, text, status, ...(opts.action ? { action: opts.action } : {}) });
    if (this.list.length > 4) this.list.shift();
    const seconds = opts.seconds ?? 4;
    if (seconds > 0) setTimeout(() => this.dismiss(id), seconds * 1000);
  }
  dismiss(id: number): void { this.list = this.list.filter((t) => t.id !== id); }
}

export const toasts = new Toasts();

/** Copies and says so. */
export async function copy(text: string, what = 'Copied'): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    toasts.show(what, 'ok');
  } catch {
    // Without HTTPS there is no clipboard API: select-and-copy is the way that is left.
    const area = document.createElement('textarea');
    area.value = text;
    area.style.position = 'fixed';
    area.style.opacity = '0';
    document.body.append(area);
    area.select();
    const done = document.execCommand('copy');
    area.remove();
    toasts.show(done ? what : 'The browser does not allow copying here', done ? 'ok' : 'warn');
  }
}
