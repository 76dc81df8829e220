// `buntrace graph`: the tree of spans, by the names of those around them: how often, how long, how much of it their own.
// Runs in the command's process.
import type { Command } from "commander";
import { addFilterOptions, type FilterOptions } from "../report/filter.ts";
import { jsonValue } from "../report/json.ts";
import { Output, OutputClosed } from "../report/output.ts";
import { Pass } from "../report/pass.ts";
import { lossesJson, lossLines } from "../report/pass-losses.ts";
import { palette } from "../report/style.ts";
import { countText, many, shortDurationText } from "../report/number-text.ts";
import { tellUnknownFields } from "../report/unknown-fields.ts";
import { tableLines } from "../report/table.ts";
import type { SpanPath } from "../spans/index.ts";

interface GraphOptions extends FilterOptions {
  readonly json?: boolean;
}

/** Sums of the spans of one path; times are nanoseconds. */
interface Node {
  readonly path: SpanPath;
  count: number;
  failed: number;
  running: number;
  total: number;
  self: number;
  max: number;
  readonly children: Node[];
}

/** Adds the command to the program. */
export function graphCommand(program: Command): void {
  const command = program
    .command("graph")
    .description("show the tree of spans: what runs inside what, how often and how long")
    .argument("[traces...]", "directories of traces", ["buntrace.data"])
    .option("--utc", "read times in UTC, not in the local zone")
    .option("--json", "print a JSON object a line");
  addFilterOptions(command).action((paths: string[], options: GraphOptions) => {
    process.exitCode = graph(paths, options);
  });
}

/**
 * Prints the tree of the spans of traces to stdout; damage goes to stderr.
 *
 * @returns the exit status
 * @throws UserError for a trace that cannot be read, or an option that makes no sense
 */
export function graph(paths: readonly string[], options: GraphOptions): number {
  const pass = new Pass(paths, options);
  tellUnknownFields(pass.filter.fields, pass.asked("spans"));
  const { all, top } = gather(pass);
  // Times of different threads and of concurrent work add up; what spans were at by themselves is the whole.
  const whole = all.reduce((sum, { self }) => sum + self, 0);
  const out = new Output(1);
  try {
    if (options.json === true) {
      for (const node of all) out.write(`${JSON.stringify(nodeJson(node, whole), jsonValue)}\n`);
      out.write(`${JSON.stringify({ kind: "losses", ...lossesJson(pass.losses) }, jsonValue)}\n`);
    } else {
      const colours = palette(process.stdout);
      const lines = [...lossLines(pass.losses, colours), ...treeLines(all, top, whole)];
      if (all.length === 0) lines.push(`no span passes among ${many(pass.events, "event")}`);
      out.write(`${lines.join("\n")}\n`);
    }
    out.flush();
  } catch (error) {
    if (!(error instanceof OutputClosed)) throw error;
  }
  return pass.end();
}

/** The nodes in the order of the tree, those of the longest self and inner times first, and the topmost. */
function gather(pass: Pass): { all: Node[]; top: Node[] } {
  const nodes = new Map<SpanPath, Node>();
  const top: Node[] = [];
  pass.spans((cursor) => {
    const { kind } = cursor;
    if (kind !== "end" && kind !== "running") return;
    const { span } = cursor;
    const node = nodeOf(span.path, nodes, top);
    if (kind === "running") {
      node.running += 1;
      return;
    }
    const { duration, self, failed } = span;
    node.count += 1;
    if (failed) node.failed += 1;
    node.total += duration || 0;
    node.self += self || 0;
    if (duration > node.max) node.max = duration;
  });
  const all: Node[] = [];
  const visit = (siblings: Node[]): void => {
    siblings.sort((one, other) => other.total - one.total || (one.path.name < other.path.name ? -1 : 1));
    for (const node of siblings) {
      all.push(node);
      visit(node.children);
    }
  };
  visit(top);
  return { all, top };
}

/** The node of a path; made with those above it, which may have no spans that pass. */
function nodeOf(path: SpanPath, nodes: Map<SpanPath, Node>, top: Node[]): Node {
  let node = nodes.get(path);
  if (node === undefined) {
    node = { path, count: 0, failed: 0, running: 0, total: 0, self: 0, max: 0, children: [] };
    nodes.set(path, node);
    (path.parent === undefined ? top : nodeOf(path.parent, nodes, top).children).push(node);
  }
  return node;
}

function treeLines(all: readonly Node[], top: readonly Node[], whole: number): string[] {
  if (all.length === 0) return [];
  const { eventName } = palette(process.stdout);
  const branches = new Map<Node, string>();
  const draw = (siblings: readonly Node[], before: string): void => {
    for (const [index, node] of siblings.entries()) {
      const last = index === siblings.length - 1;
      const isTop = node.path.parent === undefined;
      branches.set(node, isTop ? "" : `${before}${last ? "└─ " : "├─ "}`);
      draw(node.children, isTop ? "" : `${before}${last ? "   " : "│  "}`);
    }
  };
  draw(top, "");
  const anyFailed = all.some(({ failed }) => failed > 0);
  const anyRunning = all.some(({ running }) => running > 0);
  const time = (value: number, count: number): string => shortDurationText(count > 0 ? value : NaN);
  const heads = ["count", ...(anyFailed ? ["failed"] : []), ...(anyRunning ? ["running"] : [])];
  return tableLines(
    [
      { head: "span", style: eventName },
      ...[...heads, "total", "self", "share", "mean", "max"].map((head) => ({ head, right: true })),
    ],
    all.map((node) => [
      `${branches.get(node)}${node.path.name}`,
      countText(node.count),
      ...(anyFailed ? [countText(node.failed)] : []),
      ...(anyRunning ? [countText(node.running)] : []),
      time(node.total, node.count),
      time(node.self, node.count),
      whole > 0 ? `${((node.self / whole) * 100).toFixed(1)} %` : "",
      time(node.total / node.count, node.count),
      time(node.max, node.count),
    ]),
  );
}

function nodeJson(node: Node, whole: number): Readonly<Record<string, unknown>> {
  const path: string[] = [];
  for (let at: SpanPath | undefined = node.path; at !== undefined; at = at.parent) path.unshift(at.name);
  return {
    kind: "path",
    path,
    count: node.count,
    failed: node.failed,
    running: node.running,
    total_ns: node.total,
    self_ns: node.self,
    share: whole > 0 ? node.self / whole : null,
    max_ns: node.max,
  };
}
