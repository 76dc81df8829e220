/**
 * Mutated metadata and streams: an error or a result, never a crash, a hang or
 * unbounded memory. The large form: BUNTRACE_FUZZ_CASES=200000 bun test
 * test/ctf/fuzz.test.ts (some minutes). One case alone: BUNTRACE_SEED and
 * BUNTRACE_CASE, as the failure says.
 */
import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { numberFromEnvironment, seed } from "../support/random.ts";

const CASES = numberFromEnvironment("BUNTRACE_FUZZ_CASES", 4000);

/** Milliseconds that one case may take before it is taken for a hang. */
const HANG_MS = 30_000;

test(
  "mutated traces give an error or a result",
  async () => {
    const only = process.env["BUNTRACE_CASE"];
    const [first, count] = only === undefined ? [0, CASES] : [Number(only), 1];
    const start = seed();
    const directory = mkdtempSync(join(tmpdir(), "buntrace-fuzz-"));
    const program = join(import.meta.dir, "programs/fuzz.ts");
    const args = ["bun", program, directory, String(start), String(first), String(count)];
    const reader = Bun.spawn(args, { stdout: "pipe", stderr: "pipe" });
    let current = "none";
    let hang: Timer | undefined;
    const watch = (): void => {
      clearTimeout(hang);
      hang = setTimeout(() => reader.kill("SIGKILL"), HANG_MS);
    };
    try {
      watch();
      const decoder = new TextDecoder();
      for await (const chunk of reader.stdout) {
        watch();
        current = decoder.decode(chunk).trim().split("\n").at(-1) ?? current;
      }
      const stderr = await reader.stderr.text();
      const alone = `case ${current}; alone: BUNTRACE_SEED=${start} BUNTRACE_CASE=${current} bun test test/ctf/fuzz.test.ts`;
      expect(`${alone}\n${await reader.exited} ${stderr}`).toBe(`${alone}\n0 `);
      expect(current).toBe(String(first + count - 1));
    } finally {
      clearTimeout(hang);
      rmSync(directory, { recursive: true });
    }
  },
  { timeout: 3_600_000 },
);
