// The design's colours where a canvas needs them: it knows no variables.
export function resolve(name: string): string { return getComputedStyle(document.documentElement).getPropertyValue(name).trim(); }
