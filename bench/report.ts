/**
 * How fast is a report made? Seconds of whole processes on a trace of requests whose
 * spans overlap, and memory for a trace ten times as long. `bun bench/report.ts`, or
 * `--small` for a test.
 */
import { join } from "node:path";

import { openTraces } from "../src/ctf/index.ts";
import { SpanCursor } from "../src/spans/index.ts";
import { STREAMS, writeRequests } from "./requests.ts";
import { cellToRun, machine, runCells, small, withTempDir } from "./support.ts";

const ROUNDS = small ? 1 : 3;
const EVENTS = small ? 20_000 : 10_000_000;
const CLI = join(import.meta.dirname, "../src/cli.ts");

/** Cells run in the directory of the traces. */
const trace = "trace";
const tenth = "tenth";

const cells: Readonly<Record<string, () => number>> = {
  "scan (batches)": () => {
    const set = openTraces(trace);
    for (const stream of set.streams)
      for (const { length } of set.batches(stream)) if (length < 0) return NaN;
    return seconds();
  },
  "spans (cursor)": () => spans(false),
  "spans (cursor, in time)": () => spans(true),
  report: () => command("report", trace).seconds,
  "report --by thread": () => command("report", trace, "--by", "thread").seconds,
  "report --by path": () => command("report", trace, "--by", "path").seconds,
  "report --where": () => command("report", trace, "--where", "status == 200 || rows > 3").seconds,
  graph: () => command("graph", trace).seconds,
  "hist http_server:request": () => command("hist", trace, "http_server:request").seconds,
  "hist received to request_end": () =>
    command("hist", trace, "shop:received", "http_server:request_end").seconds,
  "memory of report, a tenth": () => command("report", tenth).megabytes,
  "memory of report": () => command("report", trace).megabytes,
};

function spans(inTime: boolean): number {
  const cursor = new SpanCursor(openTraces(trace), { inTime });
  let sum = 0;
  while (cursor.next()) if (cursor.kind === "end") sum += cursor.span.self;
  return sum > 0 ? seconds() : NaN;
}

/** Runs the command as its users do. */
function command(...args: string[]): { seconds: number; megabytes: number } {
  const start = performance.now();
  const { exitCode, stderr, resourceUsage } = Bun.spawnSync([process.execPath, CLI, ...args], {
    stdout: "ignore",
    stderr: "pipe",
  });
  if (exitCode !== 0) throw new Error(stderr.toString());
  return { seconds: (performance.now() - start) / 1000, megabytes: resourceUsage.maxRSS / 1e6 };
}

function seconds(): number {
  return performance.now() / 1000;
}

const cell = cellToRun();
if (cell !== undefined) console.log(cells[cell]?.());
else {
  await withTempDir(async (directory) => {
    process.chdir(directory);
    writeRequests(trace, EVENTS);
    writeRequests(tenth, EVENTS / 10);
    const results = await runCells(import.meta.path, Object.keys(cells), ROUNDS);
    const middle = (name: string): number => results.of(name);
    console.log(`${EVENTS} events in ${STREAMS} streams, medians of ${ROUNDS}. ${machine()}\n`);
    console.log("| report | seconds | ns an event |\n|---|---|---|");
    for (const name of Object.keys(cells).filter((one) => !one.startsWith("memory"))) {
      const time = middle(name);
      console.log(`| ${name} | ${time.toFixed(2)} | ${((time * 1e9) / EVENTS).toFixed(0)} |`);
    }
    const [less, more] = [middle("memory of report, a tenth"), middle("memory of report")];
    console.log(
      `\nMemory of report: ${less.toFixed(0)} MB for ${EVENTS / 10} events, ${more.toFixed(0)} MB for ${EVENTS}.`,
    );
  });
}
