/**
 * Sums over all spans of a trace, shown one by one or not: durations by name, and by name under names
 * for the flame graph. Called by gather.ts at each end.
 */
import { Histogram, PERCENTILES } from "../report/histogram.ts";
import type { Span, SpanPath, SpanPaths } from "../spans/index.ts";
import { binOf, type FlameHeader, type SpanNameHeader } from "./format.ts";

/** What is summed of a name. */
interface NameSums {
  readonly name: string;
  count: number;
  failed: number;
  running: number;
  readonly durations: Histogram;
  readonly bins: Map<number, number>;
}

/** Sums of spans. */
export class SpanSums {
  readonly #paths: SpanPaths;
  readonly #names = new Map<string, number>();
  readonly #sums: NameSums[] = [];
  /** By path: how many, and nanoseconds. */
  readonly #counts: number[] = [];
  readonly #totals: number[] = [];

  constructor(paths: SpanPaths) {
    this.#paths = paths;
  }

  /** The number of a span's name. */
  name(name: string): number {
    let number = this.#names.get(name);
    if (number === undefined) {
      number = this.#sums.length;
      this.#names.set(name, number);
      const durations = new Histogram();
      this.#sums.push({ name, count: 0, failed: 0, running: 0, durations, bins: new Map() });
    }
    return number;
  }

  /** Adds a span that has ended. */
  add({ name, path, duration, failed }: Span): void {
    const sums = this.#sums[this.name(name)];
    const time = duration || 0;
    if (sums !== undefined) {
      sums.count += 1;
      sums.failed += Number(failed);
      sums.durations.add(time);
      const bin = binOf(time);
      sums.bins.set(bin, (sums.bins.get(bin) ?? 0) + 1);
    }
    this.#counts[path.index] = (this.#counts[path.index] ?? 0) + 1;
    this.#totals[path.index] = (this.#totals[path.index] ?? 0) + time;
  }

  addRunning(name: string): void {
    const sums = this.#sums[this.name(name)];
    if (sums !== undefined) sums.running += 1;
  }

  /** The names, as the header has them. */
  names(): SpanNameHeader[] {
    return this.#sums.map(({ name, count, failed, running, durations, bins }) => ({
      name: name.toWellFormed(),
      count,
      failed,
      running,
      total: durations.sum,
      shortest: count === 0 ? 0 : durations.min,
      longest: count === 0 ? 0 : durations.max,
      percentiles: PERCENTILES.map(([, share]) => (count === 0 ? 0 : durations.percentile(share))),
      bins: [...bins].sort(([one], [other]) => one - other),
    }));
  }

  /** The flame graph; the first node is the root. */
  flame(): FlameHeader[] {
    const nodes: FlameHeader[] = [{ name: null, parent: 0, count: 0, total: 0 }];
    const numbers = new Map<SpanPath, number>();
    const wanted = new Set<SpanPath>();
    for (const path of this.#paths.all) {
      if (!this.#counts[path.index]) continue;
      for (let above: SpanPath | undefined = path; above !== undefined; above = above.parent)
        wanted.add(above);
    }
    for (const path of this.#paths.all) {
      if (!wanted.has(path)) continue;
      numbers.set(path, nodes.length);
      const parent = path.parent === undefined ? 0 : (numbers.get(path.parent) ?? 0);
      const count = this.#counts[path.index] ?? 0;
      nodes.push({ name: this.name(path.name), parent, count, total: this.#totals[path.index] ?? 0 });
    }
    return nodes;
  }
}
