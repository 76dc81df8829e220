/**
 * What the benches share: cells that run in fresh processes, interleaved over
 * rounds, and the medians of what they print. Runs in the bench's own process and in
 * its cells. A bench prints tables in Markdown; bench/run.ts keeps them.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { cpus, release, tmpdir } from "node:os";
import { basename, join } from "node:path";

/** The middle of some numbers. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Whether the small form was asked for: the same code, sized for a test. */
export const small = process.argv.includes("--small");

/** The machine in one line, for above a table. */
export function machine(): string {
  const cpu = cpus();
  return `${cpu.length} x ${cpu[0]?.model ?? "unknown processor"}, Linux ${release()} ${process.arch}, Bun ${Bun.version}`;
}

/** What follows `--NAME` on the command line. */
export function flag(name: string): string | undefined {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? undefined : process.argv[at + 1];
}

/** Where a bench with this directory has its sessions: on tmpfs, as usual, and nobody else's. */
export function sessionDirOf(dir: string): string {
  return join("/dev/shm", basename(dir));
}

/**
 * Runs `use` with a directory, made in `where`, that is removed afterwards, and its sessions too: they lie there unless
 * the bench says otherwise, those of children that get this process's environment as well.
 */
export async function withTempDir<R>(use: (dir: string) => Promise<R>, where: string = tmpdir()): Promise<R> {
  const dir = mkdtempSync(join(where, "buntrace-bench-"));
  const before = process.env["BUNTRACE_SESSION_DIR"];
  process.env["BUNTRACE_SESSION_DIR"] = sessionDirOf(dir);
  try {
    return await use(dir);
  } finally {
    if (before === undefined) delete process.env["BUNTRACE_SESSION_DIR"];
    else process.env["BUNTRACE_SESSION_DIR"] = before;
    rmSync(dir, { recursive: true, force: true });
    rmSync(sessionDirOf(dir), { recursive: true, force: true });
  }
}

/**
 * A command to run each cell under, as `BENCH_PREFIX="chrt --fifo 1"` or
 * `"taskset -c 1"`: for machines that do other work.
 */
const prefix = process.env["BENCH_PREFIX"]?.split(" ") ?? [];

/** What cells gave, a number a round each; figures of a cell that has several are `CELL.FIGURE`. */
export class Results {
  readonly #values = new Map<string, number[]>();

  add(cell: string, value: unknown): void {
    if (typeof value === "object" && value !== null)
      for (const [figure, one] of Object.entries(value)) this.add(`${cell}.${figure}`, one);
    else if (typeof value !== "number") throw new Error(`${cell}: ${JSON.stringify(value)} is no number`);
    else this.#values.set(cell, [...(this.#values.get(cell) ?? []), value]);
  }

  /** The median over the rounds. @throws Error when there is no such figure. */
  of(name: string): number {
    return median(this.#rounds(name));
  }

  /** The median of the ratios, each of two figures of one round. */
  ratio(a: string, b: string): number {
    return median(this.#ratios(a, b));
  }

  /** The least and the most of the rounds, or of their ratios to another figure: how sure the median is. */
  range(name: string, to?: string): readonly [least: number, most: number] {
    const values = to === undefined ? this.#rounds(name) : this.#ratios(name, to);
    return [Math.min(...values), Math.max(...values)];
  }

  #ratios(a: string, b: string): readonly number[] {
    const below = this.#rounds(b);
    return this.#rounds(a).map((value, round) => value / below[round]!);
  }

  #rounds(name: string): readonly number[] {
    const values = this.#values.get(name);
    if (values === undefined) throw new Error(`no cell has given ${name}`);
    return values;
  }
}

/**
 * Runs every cell `rounds` times, in turn, each in a fresh process of the bench
 * with `--cell NAME`, which prints a number, or an object of numbers as JSON.
 * @throws Error with the cell's stderr when one fails.
 */
export async function runCells(bench: string, cells: readonly string[], rounds: number): Promise<Results> {
  const results = new Results();
  for (let round = 0; round < rounds; round++) {
    for (const cell of cells) {
      progress(`round ${round + 1} of ${rounds}: ${cell}`);
      results.add(cell, await runCell(bench, cell));
    }
  }
  progress("");
  return results;
}

async function runCell(bench: string, cell: string): Promise<unknown> {
  const child = Bun.spawn([...prefix, process.execPath, bench, ...process.argv.slice(2), "--cell", cell], {
    env: process.env, // as it is now, not as it was at the start
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, errors, status] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  if (status !== 0 || out.trim() === "") throw new Error(`${cell}: ${errors || out || `status ${status}`}`);
  if (errors !== "") console.error(`${cell}: ${errors.trim()}`);
  return JSON.parse(out);
}

/** One line on a terminal, replaced by the next. */
function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}

/** A table in Markdown. */
export function table(columns: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |\n`;
  return `${line(columns)}|${"---|".repeat(columns.length)}\n${rows.map(line).join("")}`;
}

/** The cell this process is to run, if it is one. */
export function cellToRun(): string | undefined {
  return flag("cell");
}
