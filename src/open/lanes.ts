/**
 * Rows for the spans of one thread: spans that run at the same time are in different rows, children
 * below their parents. Called by gather.ts as spans begin and end.
 */

/** Rows of a thread. More spans at a time share the last one, where they are shown as density. */
export const MAX_LANES = 64;

/** The rows of a thread. */
export class Lanes {
  /** Rows used so far, the crowded one too. */
  count = 0;
  /** Spans that found no row of their own. */
  crowded = 0;
  readonly #taken: boolean[] = [];

  /** Takes the first free row below one; -1 for any. @returns the row; {@link MAX_LANES} is the crowded one */
  take(above: number): number {
    let lane = above + 1;
    while (lane < MAX_LANES && this.#taken[lane] === true) lane += 1;
    if (lane >= MAX_LANES) {
      lane = MAX_LANES;
      this.crowded += 1;
    } else this.#taken[lane] = true;
    if (lane >= this.count) this.count = lane + 1;
    return lane;
  }

  release(lane: number): void {
    this.#taken[lane] = false;
  }
}
