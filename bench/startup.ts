/**
 * What does starting traced cost a small program? Wall time of a program that
 * prints one line, bare and under the preload that `buntrace record` uses, in turn.
 * `bun bench/startup.ts`, or `--small` for a test.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { preloadPath } from "../src/bundle.ts";
import { SETTINGS_VARIABLE, writeSettings } from "../src/record/settings.ts";
import { machine, median, small, table, withTempDir } from "./support.ts";

const ROUNDS = small ? 2 : 61;

await withTempDir(async (dir) => {
  const program = join(dir, "small.ts");
  const output = join(dir, "out");
  mkdirSync(output);
  writeFileSync(program, "console.log(1);\n");
  const traced = {
    BUN_OPTIONS: `--preload=${preloadPath()}`,
    [SETTINGS_VARIABLE]: writeSettings({ output, recorder: 0 }),
  };
  const run = (env: Record<string, string>): number => {
    const start = performance.now();
    const child = Bun.spawnSync([process.execPath, program], { env: { ...process.env, ...env } });
    if (child.stdout.toString() !== "1\n" || child.stderr.length > 0)
      throw new Error(`the program failed: ${child.stderr.toString()}`);
    return performance.now() - start;
  };
  const bare: number[] = [];
  const more: number[] = [];
  for (let i = 0; i < ROUNDS; i++) {
    bare.push(run({}));
    more.push(run(traced) - bare[i]!);
  }
  console.log(`${machine()}; medians of ${ROUNDS} pairs of runs\n`);
  console.log(
    table(
      ["a program that prints one line", "ms"],
      [
        ["bare", median(bare).toFixed(1)],
        ["more when traced", median(more).toFixed(1)],
      ],
    ),
  );
});
