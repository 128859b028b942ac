export interface Sizes { measured: Record<string, number>; shell: number; routes: Record<string, { chunk: number; all: number }>; parts: Record<string, { chunk: number; all: number }> }
export const limits: Record<string, number>;
export function measure(manifest: unknown, dist: string, embedded: number): Sizes;
export function over(sizes: Sizes): string[];
export function report(sizes: Sizes): void;
