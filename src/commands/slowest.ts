// `buntrace slowest`: the longest spans of traces, one by one, each with what ran inside it. Runs in the command's process.
import { type Command, InvalidArgumentError } from "commander";
import { addFilterOptions, type FilterOptions } from "../report/filter.ts";
import { jsonValue } from "../report/json.ts";
import { countText, many, shortDurationText } from "../report/number-text.ts";
import { Output, OutputClosed } from "../report/output.ts";
import { Pass } from "../report/pass.ts";
import { lossesJson, lossLines } from "../report/pass-losses.ts";
import { fieldsText } from "../report/running.ts";
import { palette } from "../report/style.ts";
import { lineText, tableLines } from "../report/table.ts";
import { threadText } from "../report/thread-text.ts";
import { epochText, wallText } from "../report/time-text.ts";
import { tellUnknownFields } from "../report/unknown-fields.ts";
import { type SameName, type Span, type SpanNode, spanTree } from "../spans/index.ts";

/** Spans shown unless another number is asked for. */
const COUNT = 5;

/** The most that can be asked for: each is read again by itself. */
const MAX_COUNT = 100;

interface SlowestOptions extends FilterOptions {
  readonly number: number;
  readonly json?: boolean;
}

/** A span, and the nanoseconds that it took or has taken so far. */
interface Slow {
  readonly span: Span;
  readonly time: number;
}

/** Adds the command to the program. */
export function slowestCommand(program: Command): void {
  const command = program
    .command("slowest")
    .description("show the longest spans, each with what ran inside it")
    .argument("[traces...]", "directories of traces", ["buntrace.data"])
    .option("-n, --number <n>", "how many", parseNumber, COUNT)
    .option("--utc", "show and read times in UTC, not in the local zone")
    .option("--json", "print a JSON object a line");
  addFilterOptions(command).action((paths: string[], options: SlowestOptions) => {
    process.exitCode = slowest(paths, options);
  });
}

function parseNumber(text: string): number {
  const number = Number(text);
  if (!/^\d+$/.test(text) || number < 1 || number > MAX_COUNT)
    throw new InvalidArgumentError(`It is a number from 1 to ${MAX_COUNT}.`);
  return number;
}

/**
 * Prints the longest spans to stdout; damage goes to stderr.
 *
 * @returns the exit status
 * @throws UserError for a trace that cannot be read, or an option that makes no sense
 */
function slowest(paths: readonly string[], options: SlowestOptions): number {
  const pass = new Pass(paths, options);
  tellUnknownFields(pass.filter.fields, pass.asked("spans"));
  const trees = longest(pass, options.number).map(({ span, time }) => spanTree(pass.set, span, time));
  const out = new Output(1);
  const { base } = pass.set;
  try {
    if (options.json === true) {
      for (const tree of trees) out.write(`${JSON.stringify(nodeJson(tree, base), jsonValue)}\n`);
      out.write(`${JSON.stringify({ kind: "losses", ...lossesJson(pass.losses) }, jsonValue)}\n`);
    } else {
      const lines = lossLines(pass.losses, palette(process.stdout));
      if (trees.length === 0) lines.push(`no span passes among ${many(pass.events, "event")}`);
      else lines.push(...treeLines(trees, base, options.utc === true));
      out.write(`${lines.join("\n")}\n`);
    }
    out.flush();
  } catch (error) {
    if (!(error instanceof OutputClosed)) throw error;
  }
  return pass.end();
}

/** The longest spans that pass, the longest first; without names asked for, of those that no other is around. */
function longest(pass: Pass, count: number): Slow[] {
  const found: Slow[] = [];
  const anyName = pass.filter.globs.length === 0;
  pass.spans((cursor) => {
    const { kind } = cursor;
    if (kind !== "end" && kind !== "running") return;
    const { span } = cursor;
    const time = cursor.time - span.start;
    if (Number.isNaN(time) || (anyName && span.depth > 0)) return;
    if (found.length === count && time <= (found.at(-1)?.time ?? 0)) return;
    const at = found.findIndex((one) => one.time < time);
    found.splice(at === -1 ? found.length : at, 0, { span, time });
    if (found.length > count) found.pop();
  });
  return found;
}

function treeLines(trees: readonly SpanNode[], base: bigint, utc: boolean): string[] {
  const rows: string[][] = [];
  const add = (node: SpanNode, top: SpanNode, branch: string, below: string): void => {
    rows.push(spanCells(node, top, branch, base, utc));
    const inside: ((here: string, below: string) => void)[] = [];
    for (const [name, same] of node.inside) {
      for (const child of same.kept) inside.push((here, next) => add(child, top, here, next));
      if (same.count > same.kept.length) inside.push((here) => rows.push(restCells(name, same, here)));
    }
    for (const [index, draw] of inside.entries()) {
      const isLast = index === inside.length - 1;
      draw(`${below}${isLast ? "└─ " : "├─ "}`, `${below}${isLast ? "   " : "│  "}`);
    }
  };
  for (const [index, tree] of trees.entries()) {
    if (index > 0) rows.push([]);
    add(tree, tree, "", "");
  }
  return tableLines(
    [
      { head: "took", right: true },
      { head: "self", right: true },
      { head: "after", right: true },
      { head: "span", style: palette(process.stdout).eventName },
    ],
    rows,
  );
}

function spanCells(node: SpanNode, top: SpanNode, branch: string, base: bigint, utc: boolean): string[] {
  const { span, state, time } = node;
  const isTop = node === top;
  const text = [
    `${branch}${lineText(span.name)}`,
    ...(state === "running" ? ["running"] : []),
    ...(state === "lost" ? ["its end is lost"] : []),
    ...(state === "ended" && span.failed ? ["failed"] : []),
    fieldsText({ ...span.fields, ...span.endFields }),
    ...(isTop
      ? [`at ${wallText(base + BigInt(span.start), false, utc)}`, `thread ${threadText(span.thread)}`]
      : []),
  ];
  return [
    shortDurationText(time),
    shortDurationText(selfOf(node)),
    isTop ? "" : shortDurationText(span.start - top.span.start),
    text.filter((part) => part !== "").join("  "),
  ];
}

/** The spans of a name that are not shown one by one. */
function restCells(name: string, { count, total, kept }: SameName, branch: string): string[] {
  const shown = kept.reduce((sum, { time }) => sum + (time || 0), 0);
  return [
    shortDurationText(total - shown),
    "",
    "",
    `${branch}${countText(count - kept.length)} more ${lineText(name)}`,
  ];
}

/** Nanoseconds in which nothing ran inside it; NaN where it did not end in time. */
function selfOf({ span, state }: SpanNode): number {
  return state === "ended" ? span.self : NaN;
}

function nodeJson(node: SpanNode, base: bigint): Readonly<Record<string, unknown>> {
  const { span, state, time, inside } = node;
  const { tid, name: threadName } = span.thread;
  const self = selfOf(node);
  return {
    kind: "span",
    name: span.name,
    begin: epochText(base + BigInt(span.start)),
    state,
    duration_ns: Number.isNaN(time) ? null : time,
    self_ns: Number.isNaN(self) ? null : self,
    failed: state === "ended" && span.failed,
    tid,
    thread_name: threadName,
    fields: { ...span.fields, ...span.endFields },
    inside: [...inside].map(([name, { count, total, kept }]) => ({
      name,
      count,
      total_ns: total,
      longest: kept.map((child) => nodeJson(child, base)),
    })),
  };
}
