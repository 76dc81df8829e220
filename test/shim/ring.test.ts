/**
 * ring.h against its oracle (ring-test.c), under the sanitizers: tiny and random
 * rings, one thread that takes turns and two that race. `BUNTRACE_ROUNDS=20000` is
 * the big form.
 */
import { expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";

import { buildProgram, type Sanitizer } from "../support/c-compiler.ts";
import { Place } from "../support/place.ts";
import { numberFromEnvironment, seed } from "../support/random.ts";

setDefaultTimeout(3_600_000);

const ROUNDS = numberFromEnvironment("BUNTRACE_ROUNDS", 60);

test.concurrent.each<[Sanitizer, number]>([
  ["address", ROUNDS],
  ["thread", Math.ceil(ROUNDS / 5)],
  ["none", ROUNDS * 2],
])("the ring, %s sanitizer", async (sanitizer, rounds) => {
  await using place = new Place();
  const program = join(place.dir, "ring-test");
  buildProgram(program, [join(import.meta.dirname, "ring-test.c")], sanitizer);
  const args = [
    String(seed()),
    String(rounds),
    ...(process.env["BUNTRACE_CASE"] ? [process.env["BUNTRACE_CASE"]] : []),
  ];
  const running = Bun.spawn([program, ...args], { stdout: "pipe", stderr: "pipe" });
  const [stdout, stderr, status] = await Promise.all([
    running.stdout.text(),
    running.stderr.text(),
    running.exited,
  ]);
  const alone = `alone: BUNTRACE_SEED=${seed()} BUNTRACE_CASE=(round) bun test test/shim/ring.test.ts`;
  expect(`${stdout}${stderr}${status === 0 ? "" : alone}`).toBe(`${rounds} rounds\n`);
});
