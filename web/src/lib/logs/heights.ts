// The heights of the rows of a long list, most of them equal, some measured: where a row stands and which one stands at a place, each in
// logarithmic time. A Fenwick tree over the differences from the common height. Pure.

export class Heights {
  readonly length: number;
  readonly base: number;
  #tree: Float64Array;
  #own = new Map<number, number>();
  #top: number; // the largest power of two that is not beyond the length

  constructor(length: number, base: number) {
    this.length = length;
    this.base = base;
    this.#tree = new Float64Array(length + 1);
    this.#top = 1;
    while (this.#top * 2 <= length) this.#top *= 2;
  }

  get(i: number): number { return this.#own.get(i) ?? this.base; }

  /** Sets a row's height and says by how much it changed. */
  set(i: number, height: number): number {
    const by = height - this.get(i);
    if (by === 0) return 0;
    if (height === this.base) this.#own.delete(i);
    else this.#own.set(i, height);
    for (let k = i + 1; k <= this.length; k += k & -k) this.#tree[k]! += by;
    return by;
  }

  /** Where row i begins. */
  offset(i: number): number {
    let sum = i * this.base;
    for (let k = i; k > 0; k -= k & -k) sum += this.#tree[k]!;
    return sum;
  }

  get total(): number { return this.offset(this.length); }

  /** The row at a place; the first or the last for places outside. */
  find(y: number): number {
    let at = 0;
    let sum = 0;
    for (let step = this.#top; step > 0; step >>= 1) {
      const next = at + step;
      if (next > this.length) continue;
      const end = sum + step * this.base + this.#tree[next]!;
      if (end <= y) {
        at = next;
        sum = end;
      }
    }
    return Math.max(0, Math.min(this.length - 1, at));
  }
}
