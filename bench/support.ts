/**
 * What the benches share: cells that run in fresh processes, interleaved over
 * rounds, and the medians of what they print. Runs in the bench's own process.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";

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
  return `${cpu.length} x ${cpu[0]?.model ?? "unknown processor"}, Linux ${process.arch}, Bun ${Bun.version}`;
}

/** Runs `use` with a directory that is removed afterwards. */
export async function withTempDir<R>(use: (dir: string) => Promise<R>): Promise<R> {
  const dir = mkdtempSync(join(tmpdir(), "buntrace-bench-"));
  try {
    return await use(dir);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/**
 * Runs every cell `rounds` times, in turn, each in a fresh process of the bench
 * with `--cell NAME`, which prints one number.
 * @returns the numbers of each cell, a round each.
 * @throws Error with the cell's stderr when one fails.
 */
export async function runCells(
  bench: string,
  cells: readonly string[],
  rounds: number,
): Promise<Map<string, number[]>> {
  const results = new Map<string, number[]>(cells.map((cell) => [cell, []]));
  for (let round = 0; round < rounds; round++) {
    for (const cell of cells) {
      const child = Bun.spawn([process.execPath, bench, "--cell", cell, ...(small ? ["--small"] : [])], {
        stdout: "pipe",
        stderr: "pipe",
      });
      const [out, errors, status] = await Promise.all([
        child.stdout.text(),
        child.stderr.text(),
        child.exited,
      ]);
      const value = Number(out.trim());
      if (status !== 0 || out.trim() === "" || Number.isNaN(value))
        throw new Error(`${cell}: ${errors || out}`);
      results.get(cell)!.push(value);
    }
    if (process.stderr.isTTY) process.stderr.write(`\r\x1b[Kround ${round + 1} of ${rounds}`);
  }
  if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");
  return results;
}

/** The cell this process is to run, if it is one. */
export function cellToRun(): string | undefined {
  const at = process.argv.indexOf("--cell");
  return at < 0 ? undefined : process.argv[at + 1];
}
