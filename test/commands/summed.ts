/**
 * What the reports must say of a trace, from what babeltrace2 reads in it: sums over
 * lists of spans, percentiles of sorted lists. Shares nothing with src/report. Runs in
 * the test process.
 */
import type { TraceEvent } from "../support/babeltrace.ts";
import { type ExpectedSpan, expectedSpans, type Told } from "../spans/oracle.ts";

/** The events as the oracle of spans takes them, times after the first. Streams are threads. */
export function toldOf(events: readonly TraceEvent[]): Told[] {
  const start = events[0]?.timeNs ?? 0n;
  return events.map(({ name, timeNs, tid, fields }): Told => {
    const [, span = name, kind] = /^(.*)_(begin|end)$/.exec(name) ?? [];
    const time = Number(timeNs - start);
    if (kind !== "begin" && kind !== "end") return { stream: tid, time, kind: "other", name };
    return {
      stream: tid,
      time,
      kind,
      name: span,
      id: Number(fields["span_id"]),
      parent: Number(fields["parent_id"] ?? 0),
      failed: fields["failed"] === "true",
      own: Number(fields[kind === "begin" ? "work" : "result"]),
    };
  });
}

/** Sums of some spans. */
export interface Sums {
  readonly count: number;
  readonly failed: number;
  readonly running: number;
  readonly total: number;
  readonly self: number;
  readonly max: number;
  /** Those of the spans that ended, ascending. */
  readonly durations: readonly number[];
}

/** The sums of spans by what `key` says of them. */
export function sumsBy(
  spans: readonly ExpectedSpan[],
  key: (span: ExpectedSpan) => string,
): Map<string, Sums> {
  return new Map([...Map.groupBy(spans, key)].map(([name, group]) => [name, sumsOf(group)]));
}

function sumsOf(spans: readonly ExpectedSpan[]): Sums {
  const ended = spans.filter(({ end }) => end !== undefined);
  const durations = ended.map(({ start, end = start }) => end - start).sort((a, b) => a - b);
  return {
    count: ended.length,
    failed: ended.filter(({ failed }) => failed).length,
    running: spans.length - ended.length,
    total: durations.reduce((sum, one) => sum + one, 0),
    self: ended.reduce((sum, { self = 0 }) => sum + self, 0),
    max: durations.at(-1) ?? 0,
    durations,
  };
}

/** The value that this share of the sorted values does not exceed. */
export function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.max(1, Math.ceil(share * sorted.length)) - 1] ?? NaN;
}

export { expectedSpans };
