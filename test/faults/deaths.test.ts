/**
 * Every way in which a Bun program ends keeps every event that was emitted before
 * it, and the program's end is what it is without the recorder.
 */
import { expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { readTrace } from "../support/babeltrace.ts";
import { Place } from "../support/place.ts";
import { run, start } from "../support/run.ts";

setDefaultTimeout(120_000);

const PROGRAMS = join(import.meta.dirname, "programs");
const COUNT = 1000;

/** A way to end, how many events come after it began, and what the end is: a status or a signal. */
const ENDINGS: readonly (readonly [way: string, more: number, end: number | string])[] = [
  ["natural end", 0, 0],
  ["natural end, later", 1, 0],
  ["process.exit", 0, 3],
  ["process.exit in a callback", 0, 3],
  ["process.reallyExit", 0, 3],
  ["exit handler", 1, 0],
  ["uncaught error", 0, 1],
  ["unhandled rejection", 0, 1],
  ["SIGTERM", 0, "SIGTERM"],
  ["SIGINT", 0, "SIGINT"],
  ["SIGHUP", 0, "SIGHUP"],
  ["SIGQUIT", 0, "SIGQUIT"],
  ["SIGTERM handled", 1, 3],
  ["SIGINT handled", 1, 3],
  ["SIGHUP handled", 1, 3],
  ["SIGKILL", 0, "SIGKILL"],
  ["SIGSEGV", 0, "SIGSEGV"],
  ["process.abort", 0, "SIGABRT"],
  ["segfault", 0, "SIGSEGV"],
  ["abort in native code", 0, "SIGABRT"],
];

/** Fails unless the trace holds events 0 to count - 1, each whole. */
async function expectEvents(place: Place, count: number): Promise<void> {
  const events = await readTrace(place.output);
  expect(events.map(({ fields }) => fields)).toEqual(
    Array.from({ length: count }, (_, n) => ({ n, text: `event ${n}` })),
  );
}

/** A crash must not leave a core file or wait for Bun's crash report to be sent. */
const QUIET = { BUN_ENABLE_CRASH_REPORTING: "0", DO_NOT_TRACK: "1" };

test.concurrent.each(ENDINGS)("%s", async (way, more, end) => {
  await using place = new Place();
  // A flush period beyond the test: what is in the trace was drained after the end.
  const options = { args: [way, String(COUNT)], session: { flushPeriod: 60_000 }, env: QUIET };
  const traced = await run(place, join(PROGRAMS, "endings.ts"), options);
  expect(traced.signal ?? traced.status).toBe(end);
  await expectEvents(place, COUNT + more);
  const plain = await run(place, join(PROGRAMS, "endings.ts"), { ...options, traced: false });
  expect([traced.status, traced.signal, traced.stdout]).toEqual([plain.status, plain.signal, plain.stdout]);
});

test("bun test", async () => {
  await using place = new Place();
  writeFileSync(
    join(place.dir, "some.test.ts"),
    `import { test } from "bun:test";
     import { provider } from ${JSON.stringify(join(import.meta.dirname, "../../src/index.ts"))};
     const event = provider("test").tracepoint("event", [["n", "u32"], ["text", "string"]]);
     for (let part = 0; part < 4; part++)
       test("part " + part, () => {
         for (let i = 0; i < 250; i++) event(part * 250 + i, "event " + (part * 250 + i));
       });`,
  );
  for (const flags of [[], ["--isolate"]]) {
    await using traces = new Place();
    const result = await run(traces, "./some.test.ts", {
      bunArgs: ["test", ...flags],
      cwd: place.dir,
      session: { flushPeriod: 60_000 },
    });
    expect([result.status, result.stderr]).toEqual([0, expect.stringContaining(" 4 pass\n 0 fail")]);
    await expectEvents(traces, COUNT);
  }
});

/** After this long a file that was written anew has gone unnoticed. */
const NOTICED_MS = 10_000;

/** A program that restarts or reloads when it is written anew: `life` is in its events. */
function lifeSource(life: number): string {
  return `import { provider } from ${JSON.stringify(join(import.meta.dirname, "../../src/index.ts"))};
    const event = provider("test").tracepoint("event", [["n", "u32"], ["text", "string"]]);
    for (let i = 0; i < 1000; i++) event(${life * 1000} + i, "event " + (${life * 1000} + i));
    console.log("life ${life} " + process.pid);
    ${life === 2 ? "process.exit(0);" : "setInterval(() => {}, 1000);"}`;
}

test.each([["--watch"], ["--hot"]])("%s: what was emitted before and after", async (flag) => {
  await using place = new Place();
  const program = join(place.dir, "lives.ts");
  writeFileSync(program, lifeSource(0));
  const running = start(place, program, { bunArgs: [flag], session: { flushPeriod: 60_000 } });
  const reader = running.stdout.getReader();
  const decoder = new TextDecoder();
  let output = "";
  for (let life = 0; life < 3; life++) {
    if (life > 0) writeFileSync(program, lifeSource(life));
    // The watcher may not have been there yet.
    const again = setInterval(() => writeFileSync(program, lifeSource(life)), NOTICED_MS);
    while (!output.includes(`life ${life} ${running.pid}\n`)) {
      const { value, done } = await reader.read();
      if (done) throw new Error(`it ended in life ${life}: ${output}`);
      output += decoder.decode(value);
    }
    clearInterval(again);
  }
  if (flag === "--watch") running.kill("SIGTERM");
  await running.exited;
  await place.recorded();
  // A restart replaces the program and keeps its pid: a trace a life. A reload keeps the session.
  const traces = readdirSync(place.output).sort();
  expect(traces.length).toBe(flag === "--watch" ? 3 : 1);
  await expectEvents(place, 3000);
});
