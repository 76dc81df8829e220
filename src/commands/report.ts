// `buntrace report`: counts, rates and times of a trace's spans, events and counters, as tables or JSON; what was running
// when the trace ended, and what is missing. Runs in the command's process.
import { type Command, InvalidArgumentError } from "commander";
import { addFilterOptions, type FilterOptions, once } from "../report/filter.ts";
import { type Histogram, PERCENTILES } from "../report/histogram.ts";
import { jsonValue } from "../report/json.ts";
import { killedTexts } from "../report/killed.ts";
import { noMatchText } from "../report/no-match.ts";
import { Output, OutputClosed } from "../report/output.ts";
import { Pass } from "../report/pass.ts";
import { lossesJson, lossLines } from "../report/pass-losses.ts";
import { runningLines } from "../report/running.ts";
import { type CounterStats, type EventStats, type SpanStats, TraceStats } from "../report/stats.ts";
import { type Palette, palette } from "../report/style.ts";
import { countText, durationText, many, numberText, shortDurationText } from "../report/number-text.ts";
import { lineText, tableLines } from "../report/table.ts";
import { threadText } from "../report/thread-text.ts";
import { tellUnknownFields, unknownByText } from "../report/unknown-fields.ts";
import { epochText } from "../report/time-text.ts";
import { uncaughtLines } from "../report/uncaught.ts";
import { recallBegin } from "../spans/index.ts";

/** What spans can be sorted by; names go up, all else down. */
const SORTS: Readonly<Record<string, (stats: SpanStats) => number>> = {
  total: ({ durations }) => durations.sum,
  self: ({ self }) => self,
  count: ({ count }) => count,
  mean: ({ durations }) => durations.mean,
  p50: ({ durations }) => durations.percentile(0.5),
  p95: ({ durations }) => durations.percentile(0.95),
  p99: ({ durations }) => durations.percentile(0.99),
  max: ({ durations }) => durations.max,
  failed: ({ failed }) => failed,
  name: () => 0,
};

/** Characters of a field's value in a table; --json has more. */
const MAX_BY = 48;

interface ReportOptions extends FilterOptions {
  readonly by?: string;
  readonly sort: string;
  readonly json?: boolean;
}

/** Adds the command to the program. */
export function reportCommand(program: Command): void {
  const command = program
    .command("report")
    .description("tell how often and how long: spans, events and counters of traces, by name")
    .argument("[traces...]", "directories of traces", ["buntrace.data"])
    .option(
      "--by <field>",
      "a line for each value of this field too; or: thread",
      once("Choose values of the other with --where."),
    )
    .option("--sort <column>", `spans by ${Object.keys(SORTS).join(", ")}`, sortColumn, "total")
    .option("--utc", "read times in UTC, not in the local zone")
    .option("--json", "print a JSON object a line");
  addFilterOptions(command).action((paths: string[], options: ReportOptions) => {
    process.exitCode = report(paths, options);
  });
}

/**
 * Prints the report of traces to stdout; damage goes to stderr.
 *
 * @returns the exit status
 * @throws UserError for a trace that cannot be read, or an option that makes no sense
 */
export function report(paths: readonly string[], options: ReportOptions): number {
  const pass = new Pass(paths, options);
  const asked = pass.asked("spans");
  tellUnknownFields(pass.filter.fields, asked);
  const unknownBy = options.by === undefined ? undefined : unknownByText(options.by, asked, ["thread"]);
  if (unknownBy !== undefined) process.stderr.write(`buntrace: ${unknownBy}\n`);
  const stats = new TraceStats(pass, options.by);
  const out = new Output(1);
  const spans = sorted(stats.spans.all(), SORTS[options.sort] ?? (() => 0));
  const events = sorted(stats.events.all(), ({ count }) => count);
  const counters = sorted(stats.counters.all(), ({ count }) => count);
  try {
    const parts = { stats, spans, events, counters };
    if (options.json === true)
      for (const line of jsonLines(pass, parts)) out.write(`${JSON.stringify(line, jsonValue)}\n`);
    else out.write(`${textLines(pass, parts, paths, options).join("\n")}\n`);
    out.flush();
  } catch (error) {
    if (!(error instanceof OutputClosed)) throw error;
  }
  return pass.end();
}

interface Parts {
  readonly stats: TraceStats;
  readonly spans: readonly SpanStats[];
  readonly events: readonly EventStats[];
  readonly counters: readonly CounterStats[];
}

function textLines(
  pass: Pass,
  { stats, spans, events, counters }: Parts,
  paths: readonly string[],
  { by }: ReportOptions,
): string[] {
  const colours = palette(process.stdout);
  const { seconds } = pass;
  const rate = (count: number): string => (seconds > 0 ? numberText(count / seconds) : "");
  const lines = [
    `${paths.join(", ")}: ${many(pass.events, "event")}` +
      (seconds > 0 ? ` in ${durationText(seconds * 1e9)}, ${rate(pass.events)} a second` : ""),
    ...lossLines(pass.losses, colours),
    ...killedTexts(pass.set).map((text) => `${colours.warning.open}${text}${colours.warning.close}`),
    ...uncaughtLines(stats.uncaught, colours),
    ...runningLines(pass.set, stats.running, colours),
  ];
  if (spans.length > 0) lines.push("", ...spanTable(spans, by, rate, colours));
  if (counters.length > 0) lines.push("", ...counterTable(counters, by, rate, colours));
  if (events.length > 0) {
    lines.push(
      "",
      ...tableLines(
        [{ head: "event", style: colours.eventName }, ...byColumn(by), RIGHT("count"), RIGHT("a second")],
        events.map((one) => [one.name, ...byCell(by, one), countText(one.count), rate(one.count)]),
      ),
    );
  }
  if (spans.length + counters.length + events.length === 0)
    lines.push(noMatchText(pass.filter, pass.set, "spans"));
  return lines;
}

const RIGHT = (head: string): { head: string; right: true } => ({ head, right: true });

function byColumn(by: string | undefined): { head: string }[] {
  return by === undefined ? [] : [{ head: by }];
}

function byCell(by: string | undefined, group: { readonly by: string | undefined }): string[] {
  return by === undefined ? [] : [lineText(group.by ?? "", MAX_BY)];
}

function spanTable(
  spans: readonly SpanStats[],
  by: string | undefined,
  rate: (count: number) => string,
  { eventName }: Palette,
): string[] {
  const anyRunning = spans.some(({ running }) => running > 0);
  const columns = ["count", "a second", "failed", ...(anyRunning ? ["running"] : [])];
  const times = ["total", "self", "mean", "p50", "p95", "p99", "max"];
  return tableLines(
    [{ head: "span", style: eventName }, ...byColumn(by), ...[...columns, ...times].map(RIGHT)],
    spans.map((one) => [
      one.name,
      ...byCell(by, one),
      countText(one.count),
      rate(one.count),
      countText(one.failed),
      ...(anyRunning ? [countText(one.running)] : []),
      ...timesOf(one).map(shortDurationText),
    ]),
  );
}

function timesOf({ durations, self }: SpanStats): number[] {
  const { count, sum, mean, max } = durations;
  if (count === 0) return [NaN, NaN, NaN, NaN, NaN, NaN, NaN];
  return [sum, self, mean, ...percentilesOf(durations), max];
}

function percentilesOf(durations: Histogram): number[] {
  return PERCENTILES.map(([, share]) => durations.percentile(share));
}

function counterTable(
  counters: readonly CounterStats[],
  by: string | undefined,
  rate: (count: number) => string,
  { eventName }: Palette,
): string[] {
  return tableLines(
    [
      { head: "counter", style: eventName },
      ...byColumn(by),
      ...["count", "a second", "min", "mean", "max", "last"].map(RIGHT),
    ],
    counters.map((one) => [
      one.name,
      ...byCell(by, one),
      countText(one.count),
      rate(one.count),
      ...[one.min, one.sum / one.count, one.max, one.last].map(numberText),
    ]),
  );
}

function* jsonLines(
  pass: Pass,
  { stats, spans, events, counters }: Parts,
): Generator<Readonly<Record<string, unknown>>> {
  const { seconds, set, losses } = pass;
  const time = (value: number): string | undefined =>
    Number.isNaN(value) ? undefined : epochText(set.base + BigInt(value));
  const rate = (count: number): number | undefined => (seconds > 0 ? count / seconds : undefined);
  yield {
    kind: "trace",
    paths: set.traces.map(({ path }) => path),
    events: pass.events,
    begin: time(pass.first),
    end: time(pass.last),
    ...lossesJson(losses),
  };
  for (const one of spans) {
    const [total, self, mean, p50, p95, p99, max] = timesOf(one).map((value) =>
      Number.isNaN(value) ? null : value,
    );
    yield {
      kind: "span",
      name: one.name,
      by: one.by,
      count: one.count,
      a_second: rate(one.count),
      failed: one.failed,
      running: one.running,
      maybe_ended: one.maybeEnded,
      total_ns: total,
      self_ns: self,
      mean_ns: mean,
      p50_ns: p50,
      p95_ns: p95,
      p99_ns: p99,
      max_ns: max,
    };
  }
  for (const { name, by, count, min, max, sum, last } of counters)
    yield { kind: "counter", name, by, count, a_second: rate(count), min, mean: sum / count, max, last };
  for (const { name, by, count } of events) yield { kind: "event", name, by, count, a_second: rate(count) };
  for (const { time: at, thread, name, message, place } of stats.uncaught.latest)
    yield { kind: "uncaught", name, message, place, thread: threadText(thread), time: time(at) };
  for (const { span, soFar } of stats.running) {
    recallBegin(set, span);
    yield {
      kind: "running",
      name: span.name,
      id: span.id,
      parent: span.parentId,
      thread: threadText(span.thread),
      begin: time(span.start),
      for_ns: soFar,
      fields: span.fields,
      end_may_be_lost: span.endMayBeLost,
    };
  }
}

function sorted<T extends { readonly name: string; readonly by: string | undefined }>(
  groups: readonly T[],
  key: (group: T) => number,
): T[] {
  const text = ({ name, by = "" }: T): string => `${name} ${by}`;
  // What has no value, such as a percentile of nothing, goes last.
  const value = (group: T): number => {
    const found = key(group);
    return Number.isNaN(found) ? -Infinity : found;
  };
  return groups.toSorted((one, other) => {
    const [first, second] = [value(one), value(other)];
    return first === second ? (text(one) < text(other) ? -1 : 1) : second - first;
  });
}

function sortColumn(value: string): string {
  if (!Object.hasOwn(SORTS, value))
    throw new InvalidArgumentError(`It is one of ${Object.keys(SORTS).join(", ")}.`);
  return value;
}
