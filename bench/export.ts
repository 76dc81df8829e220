/**
 * How fast is a trace exported, and how large is the file? Seconds of whole processes on
 * a trace of requests whose spans overlap, and memory for a trace ten times as long.
 * `bun bench/export.ts`, or `--small` for a test.
 */
import { rmSync, statSync } from "node:fs";
import { join } from "node:path";

import { FORMATS } from "../src/export/formats.ts";
import { STREAMS, writeRequests } from "./requests.ts";
import { cellToRun, machine, runCells, small, table, withTempDir } from "./support.ts";

const ROUNDS = small ? 1 : 3;
const EVENTS = small ? 20_000 : 2_000_000;
const CLI = join(import.meta.dirname, "../src/cli.ts");

/** Cells are the formats' names, run in the directory of the traces; the memory of a tenth has a suffix. */
const TENTH = " of a tenth";
const NAMES = FORMATS.map(({ name }) => name);

function exportAs(format: string, trace: string): Readonly<Record<string, number>> {
  const file = `${trace}.${format}`;
  const start = performance.now();
  const { exitCode, stderr, resourceUsage } = Bun.spawnSync(
    [process.execPath, CLI, "export", trace, "--to", format, "-o", file],
    { stdout: "ignore", stderr: "pipe" },
  );
  const seconds = (performance.now() - start) / 1000;
  if (exitCode !== 0) throw new Error(stderr.toString());
  const bytes = statSync(file).size;
  rmSync(file);
  return { seconds, megabytes: resourceUsage.maxRSS / 1e6, bytes };
}

const cell = cellToRun();
if (cell !== undefined) {
  const isTenth = cell.endsWith(TENTH);
  console.log(JSON.stringify(exportAs(cell.replace(TENTH, ""), isTenth ? "tenth" : "trace")));
} else {
  await withTempDir(async (directory) => {
    process.chdir(directory);
    writeRequests("trace", EVENTS);
    writeRequests("tenth", EVENTS / 10);
    const results = await runCells(
      import.meta.path,
      [...NAMES, ...NAMES.map((name) => name + TENTH)],
      ROUNDS,
    );
    console.log(`${EVENTS} events in ${STREAMS} streams, medians of ${ROUNDS}. ${machine()}\n`);
    const rows = NAMES.map((name) => [
      name,
      results.of(`${name}.seconds`).toFixed(2),
      ((results.of(`${name}.seconds`) * 1e9) / EVENTS).toFixed(0),
      (results.of(`${name}.bytes`) / EVENTS).toFixed(1),
      results.of(`${name}${TENTH}.megabytes`).toFixed(0),
      results.of(`${name}.megabytes`).toFixed(0),
    ]);
    const columns = [
      "format",
      "seconds",
      "ns an event",
      "bytes an event",
      "MB of memory, a tenth",
      "MB of memory",
    ];
    console.log(table(columns, rows));
  });
}
