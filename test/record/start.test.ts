/**
 * What a traced program does without on the way to its first line: counted, not timed. Each of these would cost it 0.05 to
 * 0.1 ms, since the engine makes it when it is first used (`bun bench/startup.ts` measures the whole).
 */
import { expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";

import { bundlePreload } from "../../src/bundle.ts";
import { Place } from "../support/place.ts";
import { run } from "../support/run.ts";

setDefaultTimeout(120_000);

const PROGRAMS = join(import.meta.dirname, "programs");

test("a traced program reaches its first line without what is slow at its first use", async () => {
  await using place = new Place();
  const { status, stdout, stderr } = await run(place, join(PROGRAMS, "first-line.ts"), {
    bunArgs: [`--preload=${join(PROGRAMS, "count-uses.ts")}`],
    args: [join(place.dir, "snapshot")],
    session: { enable: [] },
  });
  expect([status, stderr]).toEqual([0, ""]);
  const [atFirst = "", later = ""] = stdout.split("\n");
  expect(JSON.parse(atFirst)).toEqual({ bt_create: 1 });
  // What the program itself uses is seen.
  expect(Object.keys(JSON.parse(later)).sort()).toEqual([
    "Array.flatMap",
    "Array.map",
    "BigInt64Array",
    "Buffer.from",
    "RegExp",
    "bt_create",
    "bt_snapshot",
    "getRandomValues",
  ]);
});

test("the preload is one scope: no function around a module, no table of exports", async () => {
  await using place = new Place();
  await bundlePreload(place.dir, false);
  const text = await Bun.file(join(place.dir, "preload.js")).text();
  expect(text).toContain("function openRecordedSession(");
  expect(text.match(/^.*\b(?:__esm|__export|__commonJS|__toESM|__require)\b.*$/gm)).toBeNull();
});
