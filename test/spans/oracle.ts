/**
 * What a trace's events say about its spans, found the slow and obvious way: lists
 * searched from end to end, intervals united by marking. Shares nothing with
 * src/spans. Runs in the test process.
 */

/** An event of a trace, as far as spans go. */
export interface Told {
  readonly stream: number;
  /** Nanoseconds. */
  readonly time: number;
  readonly kind: "begin" | "end" | "other";
  /** Of the span, or of an event that is none. */
  readonly name: string;
  readonly id?: number;
  readonly parent?: number;
  readonly failed?: boolean;
  /** A value of the program's own, in begins and ends. */
  readonly own?: number;
}

/** A span that the events tell of. */
export interface ExpectedSpan {
  readonly stream: number;
  readonly id: number;
  readonly parentId: number;
  readonly name: string;
  /** The names from the top down, joined by " > ". */
  readonly path: string;
  readonly start: number;
  readonly end: number | undefined;
  readonly self: number | undefined;
  readonly failed: boolean;
  readonly own: number | undefined;
  readonly endOwn: number | undefined;
}

/** The spans of events in the order of their times, in the order of their begins; and how many ends have no begin. */
export function expectedSpans(events: readonly Told[]): { spans: ExpectedSpan[]; strayEnds: number } {
  const begins = events.filter(({ kind }) => kind === "begin");
  const ends = events.filter(({ kind }) => kind === "end");
  const endOf = (begin: Told): Told | undefined =>
    ends.find((end) => end.stream === begin.stream && end.id === begin.id && end.name === begin.name);
  const parentOf = (begin: Told): Told | undefined =>
    begins.find((one) => one.stream === begin.stream && one.id === begin.parent);
  const pathOf = (begin: Told): string => {
    const parent = parentOf(begin);
    return parent === undefined ? begin.name : `${pathOf(parent)} > ${begin.name}`;
  };
  const spans = begins.map((begin): ExpectedSpan => {
    const end = endOf(begin);
    const children = begins
      .filter((child) => parentOf(child) === begin)
      .map((child): [number, number] => [child.time, endOf(child)?.time ?? Infinity]);
    return {
      stream: begin.stream,
      id: begin.id ?? 0,
      parentId: begin.parent ?? 0,
      name: begin.name,
      path: pathOf(begin),
      start: begin.time,
      end: end?.time,
      self: end === undefined ? undefined : uncovered(begin.time, end.time, children),
      failed: end?.failed ?? false,
      own: begin.own,
      endOwn: end?.own,
    };
  });
  const strayEnds = ends.filter((end) => !begins.some((begin) => endOf(begin) === end)).length;
  return { spans, strayEnds };
}

/** How much of an interval none of the others covers: the pieces between all bounds, each looked at. */
function uncovered(start: number, end: number, others: readonly (readonly [number, number])[]): number {
  const bounds = [start, end, ...others.flat()]
    .filter((at) => at >= start && at <= end)
    .sort((a, b) => a - b);
  let sum = 0;
  for (const [index, from] of bounds.entries()) {
    const to = bounds[index + 1] ?? from;
    if (!others.some(([begin, finish]) => begin <= from && finish >= to)) sum += to - from;
  }
  return sum;
}
