/**
 * The ring's protocol, by exhaustion: explore.c runs the code of ring.h, drain.h,
 * stream.h and snapshot.h through every order that the memory model allows, within small
 * bounds. And the test of that test: each barrier there is in that code, made relaxed,
 * must be missed.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";

import { buildInstrumented } from "../support/c-compiler.ts";
import { Place } from "../support/place.ts";

setDefaultTimeout(600_000);

/** Fewer would mean that the search does not see them. */
const LEAST_BARRIERS = 20;

/** Barriers that say what the system call right after them sees to as well. */
const BEFORE_A_SYSTEM_CALL = ["bt_stream_open: store &ring->making_file"];

const place = new Place();
const explorer = join(place.dir, "explore");

async function explore(...args: string[]): Promise<{ stdout: string; status: number }> {
  const running = Bun.spawn([explorer, ...args], { stdout: "pipe", stderr: "inherit" });
  const [stdout, status] = await Promise.all([running.stdout.text(), running.exited]);
  return { stdout, status };
}

beforeAll(() =>
  buildInstrumented(explorer, join(import.meta.dirname, "explore.c"), join(import.meta.dirname, "model.c")),
);
afterAll(() => place[Symbol.asyncDispose]());

test.concurrent("no order of things tears, doubles, loses or miscounts a record", async () => {
  const { stdout, status } = await explore();
  expect({ stdout, status }).toEqual({
    stdout: expect.stringMatching(/^(?:.+: \d+ executions\n){8}$/),
    status: 0,
  });
});

test.concurrent("every barrier is needed: without it something goes wrong", async () => {
  const barriers = (await explore("--barriers")).stdout.trimEnd().split("\n");
  expect(barriers.length).toBeGreaterThan(LEAST_BARRIERS);
  const unneeded: string[] = [];
  for (const barrier of barriers)
    if ((await explore("--weaken", barrier)).status !== 1) unneeded.push(barrier);
  expect(unneeded).toEqual(BEFORE_A_SYSTEM_CALL);
});
