// The paths of a sparkline. Pure.
export function sparkPaths(values: readonly (number | null)[], width: number, height: number, min?: number, max?: number): { line: string; area: string } | null {
  const known = values.filter((v): v is number => v !== null && Number.isFinite(v));
  if (known.length === 0) return null;
  let lo = min ?? known.reduce((a, b) => Math.min(a, b));
  const hi = max ?? known.reduce((a, b) => Math.max(a, b));
  // A flat line lies in the middle, not on the ground, where it would look like zero.
  if (hi === lo) lo = hi - Math.max(Math.abs(hi), 1);
  const pad = 1;
  const x = (i: number) => round(values.length > 1 ? (i / (values.length - 1)) * width : width);
  const y = (v: number) => round(height - pad - ((Math.min(Math.max(v, lo), hi) - lo) / (hi - lo || 1)) * (height - 2 * pad));
  let line = '';
  let area = '';
  let run: number[] = [];
  const flush = () => {
    if (run.length === 0) return;
    // A point between two gaps would be invisible as a line: give it a dash's width.
    const d = run.length === 1 ? `M${Math.max(0, x(run[0]!) - 1)} ${y(values[run[0]!]!)}h2` : `M${run.map((i) => `${x(i)} ${y(values[i]!)}`).join('L')}`;
    line += d;
    if (run.length > 1) area += `${d}L${x(run.at(-1)!)} ${height}L${x(run[0]!)} ${height}Z`;
    run = [];
  };
  values.forEach((v, i) => {
    if (v !== null && Number.isFinite(v)) run.push(i);
    else flush();
  });
  flush();
  return { line, area };
}

function round(v: number): number {
  return Math.round(v * 10) / 10;
}
