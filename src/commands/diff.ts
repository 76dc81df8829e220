// `buntrace diff A B`: what became slower or faster, more or fewer, from one trace to another. Runs in the command's process.
import { type Command, InvalidArgumentError } from "commander";
import { addFilterOptions, type FilterOptions } from "../report/filter.ts";
import { jsonValue } from "../report/json.ts";
import { Output, OutputClosed } from "../report/output.ts";
import { Pass } from "../report/pass.ts";
import { lossLines } from "../report/pass-losses.ts";
import { type SpanStats, TraceStats } from "../report/stats.ts";
import { type Palette, palette } from "../report/style.ts";
import { countText, durationText, many, shortDurationText } from "../report/number-text.ts";
import { tellUnknownFields } from "../report/unknown-fields.ts";
import { type TableCell, tableLines } from "../report/table.ts";

const KINDS = ["span", "counter", "event"] as const;

/** Figures of one name in one trace. Times are nanoseconds; NaN where there are none. */
interface Figures {
  readonly count: number;
  readonly failed: number;
  readonly mean: number;
  readonly p50: number;
  readonly p99: number;
}

/** One name in both traces; without figures in the one that does not have it. */
interface Pair {
  readonly kind: (typeof KINDS)[number];
  readonly name: string;
  readonly a: Figures | undefined;
  readonly b: Figures | undefined;
}

type Column = "count" | "mean" | "p50" | "p99";

/** What rows can be sorted by: how much that changed, more or less alike, the most first. */
const SORTS: Readonly<Record<string, (pair: Pair) => number>> = {
  impact: ({ a, b }) => Math.abs((b?.mean ?? NaN) - (a?.mean ?? NaN)) * (b?.count ?? 0),
  mean: (pair) => distance(pair, "mean"),
  p50: (pair) => distance(pair, "p50"),
  p99: (pair) => distance(pair, "p99"),
  count: (pair) => distance(pair, "count"),
};

interface DiffOptions extends FilterOptions {
  readonly sort: string;
  readonly json?: boolean;
}

/** Adds the command to the program. */
export function diffCommand(program: Command): void {
  const command = program
    .command("diff")
    .description("compare two traces: counts and times by name, what changed most first")
    .argument("<before>", "directory of traces")
    .argument("<after>", "directory of traces")
    .option(
      "--sort <column>",
      `by the change of ${Object.keys(SORTS).join(", ")}; impact: the mean's, times the count after`,
      sortColumn,
      "impact",
    )
    .option("--utc", "read times in UTC, not in the local zone")
    .option("--json", "print a JSON object a line");
  addFilterOptions(command).action((before: string, after: string, options: DiffOptions) => {
    process.exitCode = diff(before, after, options);
  });
}

/**
 * Prints how two traces differ to stdout; damage goes to stderr.
 *
 * @returns the exit status
 * @throws UserError for a trace that cannot be read, or an option that makes no sense
 */
export function diff(before: string, after: string, options: DiffOptions): number {
  const passes = [before, after].map((path) => ({ path, pass: new Pass(path, options) }));
  const [first] = passes;
  if (first !== undefined)
    tellUnknownFields(first.pass.filter.fields, {
      ...first.pass.asked("spans"),
      sets: passes.map(({ pass }) => pass.set),
    });
  const sides = passes.map(({ path, pass }) => {
    return { path, pass, figures: figuresOf(new TraceStats(pass)), status: pass.end() };
  });
  const [a, b] = sides;
  if (a === undefined || b === undefined) return 1;
  const keys = new Set([...a.figures.keys(), ...b.figures.keys()]);
  const pairs = [...keys]
    .map((key): Pair => {
      const kind = KINDS.find((one) => key.startsWith(`${one} `)) ?? "event";
      return {
        kind,
        name: key.slice(kind.length + 1),
        a: a.figures.get(key),
        b: b.figures.get(key),
      };
    })
    .sort((one, other) => order(one, other, SORTS[options.sort] ?? (() => 0)));
  const out = new Output(1);
  try {
    if (options.json === true) {
      for (const pair of pairs) out.write(`${JSON.stringify(pairJson(pair), jsonValue)}\n`);
    } else {
      const colours = palette(process.stdout);
      const lines = sides.flatMap(({ path, pass }, index) => [
        `${index === 0 ? "before" : "after "}  ${path}: ${many(pass.events, "event")} in ${durationText(pass.seconds * 1e9)}`,
        ...lossLines(pass.losses, colours),
      ]);
      const none = `${a.pass.filter.isEmpty ? "no events" : "no event passes the filter"} in either`;
      const table = pairs.length === 0 ? [none] : diffTable(pairs, colours);
      out.write(`${[...lines, "", ...table].join("\n")}\n`);
    }
    out.flush();
  } catch (error) {
    if (!(error instanceof OutputClosed)) throw error;
  }
  return Math.max(a.status, b.status);
}

/** Figures by kind and name. */
function figuresOf(stats: TraceStats): Map<string, Figures> {
  const none = { failed: 0, mean: NaN, p50: NaN, p99: NaN };
  return new Map<string, Figures>([
    ...stats.spans.all().map((one): [string, Figures] => [`span ${one.name}`, spanFigures(one)]),
    ...stats.counters
      .all()
      .map(({ name, count }): [string, Figures] => [`counter ${name}`, { ...none, count }]),
    ...stats.events.all().map(({ name, count }): [string, Figures] => [`event ${name}`, { ...none, count }]),
  ]);
}

function spanFigures({ count, failed, durations }: SpanStats): Figures {
  const { mean } = durations;
  return { count, failed, mean, p50: durations.percentile(0.5), p99: durations.percentile(0.99) };
}

/** Spans first, those that are in one trace only after the others; then events. */
function order(one: Pair, other: Pair, key: (pair: Pair) => number): number {
  const rank = ({ kind, a, b }: Pair): number =>
    (kind === "span" ? 0 : 2) + (a === undefined || b === undefined ? 1 : 0);
  const [first, second] = [key(one) || 0, key(other) || 0];
  const byCount = distance(other, "count") - distance(one, "count") || 0;
  return rank(one) - rank(other) || second - first || byCount || (one.name < other.name ? -1 : 1);
}

/** How far two figures are apart, twice as much as far as half as much; NaN where one is missing. */
function distance({ a, b }: Pair, column: Column): number {
  return Math.abs(Math.log((b?.[column] ?? NaN) / (a?.[column] ?? NaN)));
}

/** By how much each figure changed, as a share of what it was: 0.5 is half as much more. */
function changes({ a, b }: Pair): Readonly<Record<Column, number | null>> {
  const change = (column: Column): number | null => {
    const [was, is] = [a?.[column] ?? NaN, b?.[column] ?? NaN];
    const share = (is - was) / was;
    return Number.isFinite(share) ? share : null;
  };
  return { count: change("count"), mean: change("mean"), p50: change("p50"), p99: change("p99") };
}

function pairJson(pair: Pair): Readonly<Record<string, unknown>> {
  const sideJson = (figures: Figures | undefined): unknown => {
    if (figures === undefined) return null;
    const { count, failed } = figures;
    if (pair.kind !== "span") return { count };
    const time = (column: Column): number | null => (Number.isNaN(figures[column]) ? null : figures[column]);
    return { count, failed, mean_ns: time("mean"), p50_ns: time("p50"), p99_ns: time("p99") };
  };
  return {
    kind: pair.kind,
    name: pair.name,
    before: sideJson(pair.a),
    after: sideJson(pair.b),
    change: changes(pair),
  };
}

function diffTable(pairs: readonly Pair[], { eventName, warning }: Palette): string[] {
  const right = (head: string): { head: string; right: true } => ({ head, right: true });
  const columns = (["count", "mean", "p50", "p99"] as const).flatMap((head) => [
    right(head),
    right("after"),
    right(""),
  ]);
  return tableLines(
    [{ head: "name", style: eventName }, ...columns],
    pairs.map((pair) => {
      const { a, b } = pair;
      const change = changes(pair);
      const cells = (column: Column): TableCell[] => {
        const text = (figures: Figures | undefined): string => {
          if (figures === undefined) return column === "count" ? "none" : "";
          return column === "count" ? countText(figures.count) : shortDurationText(figures[column]);
        };
        const stands = column !== "count" && (change[column] ?? 0) > REMARKABLE;
        const changed = changeText(change[column]);
        return [text(a), text(b), stands ? { text: changed, style: warning } : changed];
      };
      return [pair.name, ...cells("count"), ...cells("mean"), ...cells("p50"), ...cells("p99")];
    }),
  );
}

/** A change of this share, when times grew by it, stands out. */
const REMARKABLE = 0.1;

function changeText(change: number | null): string {
  if (change === null) return "";
  const percent = change * 100;
  return `${change > 0 ? "+" : ""}${percent.toFixed(Math.abs(percent) < 10 ? 1 : 0)} %`;
}

function sortColumn(value: string): string {
  if (!Object.hasOwn(SORTS, value))
    throw new InvalidArgumentError(`It is one of ${Object.keys(SORTS).join(", ")}.`);
  return value;
}
