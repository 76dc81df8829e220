// `buntrace hist`: how long a span takes, how long it is from one event to another, or how long a field of an event says, as a
// histogram. Runs in the command's process.
import type { Command } from "commander";
import { EXIT_USAGE, UserError } from "../errors.ts";
import { addFilterOptions, fieldOf, type FilterOptions, globPattern, once } from "../report/filter.ts";
import { Histogram, PERCENTILES } from "../report/histogram.ts";
import { histogramLines } from "../report/histogram-text.ts";
import { jsonValue } from "../report/json.ts";
import { spanEventsHint } from "../report/no-match.ts";
import { Output, OutputClosed } from "../report/output.ts";
import { Pass } from "../report/pass.ts";
import { lossesJson, lossLines } from "../report/pass-losses.ts";
import { palette } from "../report/style.ts";
import { countText, many, shortDurationText } from "../report/number-text.ts";
import { lineText } from "../report/table.ts";
import { tellUnknownFields, unknownByText } from "../report/unknown-fields.ts";

/** First events that wait for the second at a time; when there are more, the oldest are given up. */
const MAX_WAITING = 1 << 20;

/** Names that an error lists. */
const MAX_NAMES = 12;

/** Columns where the output is no terminal. */
const DEFAULT_WIDTH = 80;

interface HistOptions extends FilterOptions {
  readonly by?: string;
  readonly field?: string;
  readonly json?: boolean;
}

/** What was measured. */
interface Measured {
  readonly histogram: Histogram;
  /** The sentence above the picture, up to the count. */
  readonly title: string;
  /** What is counted: "span", "pair" or "event". */
  readonly unit: string;
  /** What has no duration, in words; empty when there is nothing. */
  readonly rest: string;
}

/** Adds the command to the program. */
export function histCommand(program: Command): void {
  const command = program
    .command("hist")
    .description("draw how long a span takes, the time from one event to another, or a field of an event")
    .argument("<trace>", "directory of traces")
    .argument("<name>", "a span, or the first of two events, or one; * and ? allowed")
    .argument("[to]", "the second event: the next one on the same thread, or with the same field")
    .option(
      "--by <field>",
      "events belong together when this field is the same, on any thread",
      once("Choose one."),
    )
    .option("--field <name>", "of one event, this field: nanoseconds", once("Choose one."))
    .option("--utc", "read times in UTC, not in the local zone")
    .option("--json", "print a JSON object a line: the sums, then the buckets");
  addFilterOptions(command).action(
    (trace: string, name: string, to: string | undefined, options: HistOptions) => {
      process.exitCode = hist(trace, name, to, options);
    },
  );
}

/**
 * Draws a histogram of durations to stdout; damage goes to stderr.
 *
 * @returns the exit status
 * @throws UserError for a trace that cannot be read, for names that do not occur, or an option that makes no sense
 */
export function hist(trace: string, name: string, to: string | undefined, options: HistOptions): number {
  if (to === undefined && options.by !== undefined)
    throw new UserError(
      `--by ties two events together: name the second one too; of a span, choose one value with --where '${options.by} == ...', ` +
        `or see a line for each in report --by ${options.by}`,
      EXIT_USAGE,
    );
  if (to !== undefined && options.field !== undefined)
    throw new UserError("--field is of one event: name no second one", EXIT_USAGE);
  const pass = new Pass(trace, options);
  const measured =
    to !== undefined
      ? measurePairs(pass, trace, name, to, options.by)
      : options.field !== undefined
        ? measureField(pass, name, options.field)
        : measureSpans(pass, trace, name);
  const status = pass.end();
  const { histogram } = measured;
  if (histogram.count === 0)
    throw new UserError(`${measured.title}: none in ${trace} ended; ${measured.rest || "all are running"}`);
  const out = new Output(1);
  try {
    if (options.json === true) {
      for (const line of jsonLines(pass, measured)) out.write(`${JSON.stringify(line, jsonValue)}\n`);
    } else out.write(`${textLines(pass, measured).join("\n")}\n`);
    out.flush();
  } catch (error) {
    if (!(error instanceof OutputClosed)) throw error;
  }
  return status;
}

function measureSpans(pass: Pass, trace: string, name: string): Measured {
  const pattern = globPattern(name);
  tellUnknownFields(
    pass.filter.fields,
    pass.asked("spans", (one) => pattern.test(one)),
  );
  const histogram = new Histogram();
  const others = new Set<string>();
  let isEvent = false;
  let running = 0;
  let timeless = 0;
  pass.spans((cursor) => {
    if (cursor.kind === "event" || cursor.kind === "counter") {
      if (!isEvent && pattern.test(cursor.event.name)) isEvent = true;
      return;
    }
    const { span, kind } = cursor;
    if (!pattern.test(span.name)) others.add(span.name);
    else if (kind === "running") running += 1;
    else if (kind === "end" && Number.isNaN(span.duration)) timeless += 1;
    else if (kind === "end") histogram.add(span.duration);
  });
  if (timeless > 0) throw new UserError(`${trace}: the trace has no times`);
  if (histogram.count + running === 0) {
    const hint = isEvent
      ? "it is an event: name a second one, to measure from one to the other, or --field"
      : spanHint(others);
    throw new UserError(`no span ${name}; ${hint}`);
  }
  return {
    histogram,
    title: name,
    unit: "span",
    rest: running === 0 ? "" : `${countText(running)} running at the end`,
  };
}

function spanHint(names: ReadonlySet<string>): string {
  if (names.size === 0) return "there are no spans in what was read";
  const some = [...names]
    .sort()
    .slice(0, MAX_NAMES)
    .map((name) => lineText(name));
  return `there are ${some.join(", ")}${names.size > MAX_NAMES ? " and others" : ""}`;
}

/** Measures from each first event to the next second one: of the same thread, or with the same value of a field. */
function measurePairs(pass: Pass, trace: string, from: string, to: string, by: string | undefined): Measured {
  const [first, second] = [globPattern(from), globPattern(to)];
  const asked = pass.asked("events", (name) => first.test(name) || second.test(name));
  tellUnknownFields(pass.filter.fields, asked);
  const histogram = new Histogram();
  const waiting = new Map<unknown, number>();
  const seen = { first: 0, second: 0 };
  let replaced = 0;
  let unbegun = 0;
  let fieldless = 0;
  let timeless = false;
  pass.eventsInTime(
    (cursor) => {
      const { name } = cursor.event;
      const isFirst = first.test(name);
      const isSecond = second.test(name);
      if (!isFirst && !isSecond) return;
      if (isFirst) seen.first += 1;
      if (isSecond) seen.second += 1;
      if (Number.isNaN(cursor.time)) timeless = true;
      const key = by === undefined ? cursor.thread : fieldOf(cursor.record, by);
      if (key === undefined) {
        fieldless += 1;
        return;
      }
      const begun = waiting.get(key);
      // From one event to the next of its own kind, it is both.
      if (isSecond) {
        if (begun !== undefined) histogram.add(cursor.time - begun);
        else if (!isFirst) unbegun += 1;
        waiting.delete(key);
      }
      if (!isFirst) return;
      if (begun !== undefined && !isSecond) replaced += 1;
      // Taken out first, so that the order is that of the times.
      waiting.delete(key);
      if (waiting.size >= MAX_WAITING) {
        const [oldest] = waiting.keys();
        waiting.delete(oldest);
        replaced += 1;
      }
      waiting.set(key, cursor.time);
    },
    by === undefined ? [] : [by],
  );
  for (const [name, count] of [
    [from, seen.first],
    [to, seen.second],
  ] as const)
    if (count === 0)
      throw new UserError(
        `no event ${name}; ${spanEventsHint(name, pass.set) ?? "see which there are with: buntrace info"}`,
      );
  if (timeless) throw new UserError(`${trace}: the trace has no times`);
  if (by !== undefined && fieldless === seen.first + seen.second)
    throw new UserError(unknownByText(by, asked) ?? `--by ${by}: none of these events has such a field`);
  const rest = [
    ...(replaced > 0 ? [`${countText(replaced)} ${from} followed by another`] : []),
    ...(unbegun > 0 ? [`${countText(unbegun)} ${to} without one before`] : []),
    ...(waiting.size > 0 && from !== to ? [`${countText(waiting.size)} ${from} without one after`] : []),
    ...(fieldless > 0 ? [`${countText(fieldless)} without the field`] : []),
  ];
  return { histogram, title: `${from} to ${to}`, unit: "pair", rest: rest.join(", ") };
}

/** Takes the field of each event that has a number from 0 on there. */
function measureField(pass: Pass, name: string, field: string): Measured {
  const pattern = globPattern(name);
  const asked = pass.asked("events", (one) => pattern.test(one));
  tellUnknownFields(pass.filter.fields, asked);
  const histogram = new Histogram();
  let count = 0;
  let below = 0;
  pass.eventsInTime(
    (cursor) => {
      if (!pattern.test(cursor.event.name)) return;
      count += 1;
      const value = fieldOf(cursor.record, field);
      if (typeof value !== "number" && typeof value !== "bigint") return;
      if (value < 0) below += 1;
      else histogram.add(Number(value));
    },
    [field],
  );
  if (count === 0)
    throw new UserError(
      `no event ${name}; ${spanEventsHint(name, pass.set) ?? "see which there are with: buntrace info"}`,
    );
  if (histogram.count === 0)
    throw new UserError(
      unknownByText(field, asked) ??
        `--field ${field}: none of these events has a number ${below > 0 ? "from 0 on " : ""}there`,
    );
  const without = count - histogram.count - below;
  const rest = [
    ...(below > 0 ? [`${countText(below)} below 0`] : []),
    ...(without > 0 ? [`${countText(without)} without such a number`] : []),
  ];
  return {
    histogram,
    title: `${name} ${field}`,
    unit: "event",
    rest: rest.join(", "),
  };
}

function textLines(pass: Pass, { histogram, title, unit, rest }: Measured): string[] {
  const colours = palette(process.stdout);
  const { min, mean, max } = histogram;
  const percentiles = PERCENTILES.map(
    ([name, share]) => `${name} ${shortDurationText(histogram.percentile(share))}`,
  );
  const figures = [
    many(histogram.count, unit),
    `min ${shortDurationText(min)}`,
    `mean ${shortDurationText(mean)}`,
    ...percentiles,
    `max ${shortDurationText(max)}`,
  ];
  return [
    `${colours.eventName.open}${title}${colours.eventName.close}: ${figures.join(", ")}`,
    ...(rest === "" ? [] : [`not in it: ${rest}`]),
    ...lossLines(pass.losses, colours),
    "",
    ...histogramLines(
      histogram,
      process.stdout.columns || Number(process.env["COLUMNS"]) || DEFAULT_WIDTH,
      colours,
    ),
  ];
}

function* jsonLines(
  pass: Pass,
  { histogram, title, unit, rest }: Measured,
): Generator<Readonly<Record<string, unknown>>> {
  yield {
    kind: "histogram",
    of: title,
    unit,
    count: histogram.count,
    min_ns: histogram.min,
    mean_ns: histogram.mean,
    ...Object.fromEntries(PERCENTILES.map(([name, share]) => [`${name}_ns`, histogram.percentile(share)])),
    max_ns: histogram.max,
    without_duration: rest === "" ? undefined : rest,
    ...lossesJson(pass.losses),
  };
  for (const { from, to, count } of histogram.buckets())
    yield { kind: "bucket", from_ns: from, to_ns: to, count };
}
