/**
 * Hostile session files, in the process of the C code that reads them (session-fuzz.c)
 * and under its sanitizers: never a crash, a hang, a signal to a stranger, a file
 * larger than what the rings hold. The large form: BUNTRACE_FUZZ_CASES=2000000 bun
 * test test/shim/session-fuzz.test.ts. One case alone: BUNTRACE_SEED and
 * BUNTRACE_CASE, as the failure says.
 */
import { expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { buildProgram } from "../support/c-compiler.ts";
import { Place } from "../support/place.ts";
import { numberFromEnvironment, seed } from "../support/random.ts";

setDefaultTimeout(3_600_000);

const FILE = "test/shim/session-fuzz.test.ts";
const CASES = numberFromEnvironment("BUNTRACE_FUZZ_CASES", 100_000);

/** Programs at a time, each with a share of the cases. */
const SHARES = 2;

/** Runs cases `first` to `first + count - 1`. @returns what the program said, and the last case. */
async function fuzz(
  program: string,
  place: Place,
  first: number,
  count: number,
): Promise<{ last: number; said: string }> {
  // On tmpfs: a case writes some ten files.
  const dir = join(place.sessionDir, `from-${first}`);
  const progress = join(place.dir, `progress-${first}`);
  mkdirSync(dir);
  writeFileSync(progress, Buffer.alloc(4));
  const args = [dir, String(seed()), String(first), String(count), progress];
  const running = Bun.spawn([program, ...args], { stdout: "ignore", stderr: "pipe" });
  const said = await running.stderr.text();
  await running.exited;
  const end = running.signalCode ?? running.exitCode;
  return {
    last: readFileSync(progress).readUInt32LE(0),
    said: end === 0 ? said : `${said}ended with ${end}`,
  };
}

test(`${CASES} hostile session files: consumer, snapshot, flush and stop end well`, async () => {
  await using place = new Place();
  const program = join(place.dir, "session-fuzz");
  const sources = ["session-fuzz.c", "session-fuzz-steer.c", "session-fuzz-system.c"];
  buildProgram(
    program,
    sources.map((name) => join(import.meta.dirname, name)),
    "address",
  );
  const only = process.env["BUNTRACE_CASE"];
  const share = only === undefined ? Math.ceil(CASES / SHARES) : 1;
  const starts = only === undefined ? Array.from({ length: SHARES }, (_, i) => i * share) : [Number(only)];
  const results = await Promise.all(starts.map((first) => fuzz(program, place, first, share)));
  for (const [i, { last, said }] of results.entries()) {
    const alone = `case ${last}; alone: BUNTRACE_SEED=${seed()} BUNTRACE_CASE=${last} bun test ${FILE}`;
    expect(`${said}${said === "" ? "" : alone}`).toBe("");
    expect(last).toBe((starts[i] ?? 0) + share - 1);
  }
});
