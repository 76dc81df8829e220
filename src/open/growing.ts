/** Arrays of numbers that grow, for millions of events. Used by gather.ts. */

/** Numbers pushed one after the other, as doubles. */
export class Numbers {
  length = 0;
  #values = new Float64Array(1024);

  push(value: number): void {
    if (this.length === this.#values.length) {
      const before = this.#values;
      this.#values = new Float64Array(before.length * 2);
      this.#values.set(before);
    }
    this.#values[this.length] = value;
    this.length += 1;
  }

  set(index: number, value: number): void {
    this.#values[index] = value;
  }

  /** What was pushed; valid until the next push. */
  get values(): Float64Array {
    return this.#values.subarray(0, this.length);
  }
}
