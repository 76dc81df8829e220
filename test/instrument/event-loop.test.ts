/**
 * Provider `event_loop`. The programs tell when they block, for how long, and what that took: nothing here is
 * held against a clock of the test's, and a machine that is late itself makes no test fail.
 */
import { expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";

import { readTrace, type TraceEvent } from "../support/babeltrace.ts";
import { cli } from "../support/cli.ts";
import { Place } from "../support/place.ts";
import { ended, type RunOptions, start } from "../support/run.ts";
import { both } from "./both.ts";

setDefaultTimeout(60_000);

const PROGRAM = "event-loop.ts";
const LATE = "event_loop:late";

/** The longest time from one look at the loop to the next, nanoseconds: so much of a block may not be seen. */
const PERIOD_NS = 250e6;

/** Delays below are not told. */
const LEAST_NS = 10e6;

const number = (event: TraceEvent | undefined, field: string): number => Number(event?.fields[field]);

/** What the program told of a block, and the events of its thread from there to the next, or the end. */
interface Block {
  readonly way: unknown;
  readonly ns: number;
  readonly cpuNs: number;
  /** From the block's begin on. */
  readonly late: readonly TraceEvent[];
  /** From the begin of the block to its first event. */
  readonly most: number;
}

function blocksOf(events: readonly TraceEvent[]): Block[] {
  const begins = events.flatMap((event, i) => (event.name === "test:blocking" ? [i] : []));
  return begins.map((from, i) => {
    const [begin, ...rest] = events.slice(from, begins[i + 1]);
    const own = rest.filter(({ tid }) => tid === begin?.tid);
    const done = own.find(({ name }) => name === "test:blocked");
    const late = own.filter(({ name }) => name === LATE);
    return {
      way: begin?.fields["way"],
      ns: number(done, "ns"),
      cpuNs: number(done, "cpu_ns"),
      late,
      most: Number((late[0]?.timeNs ?? 0n) - (begin?.timeNs ?? 0n)),
    };
  });
}

/** Each block has an event that says what is true of it. */
function check(blocks: readonly Block[]): void {
  for (const { way, ns, cpuNs, late, most } of blocks) {
    const [first] = late;
    const told = { way, ns, delay: number(first, "delay_ns"), cpu: number(first, "cpu_ns") };
    expect(told).toEqual({ ...told, delay: expect.any(Number) });
    expect(first?.level).toBe(4);
    // Due within a period from the block's begin; and had it been due before, it would have been told before.
    expect(told.delay).toBeGreaterThanOrEqual(ns - PERIOD_NS);
    if (way !== "first") expect(told.delay).toBeLessThanOrEqual(most + LEAST_NS);
    expect(told.cpu).toBeGreaterThanOrEqual(cpuNs);
    // What one event has told no other tells again, though the machine may make the loop late once more.
    for (const [i, event] of late.slice(1).entries())
      expect(number(event, "delay_ns")).toBeLessThanOrEqual(Number(event.timeNs - (late[i]?.timeNs ?? 0n)));
    if (way !== "spin" && way !== "microtasks" && way !== "exit")
      expect(told.cpu).toBeLessThan(told.delay / 2);
  }
}

const session = { enable: ["event_loop:*", "test:*"] };

test("a block of any kind is told once, with its length and the processor time", async () => {
  const ways = ["spin", "sleep", "child", "microtasks"];
  const { events, ended } = await both(PROGRAM, ["main", ...ways.map((way) => `${way}:500`)], { session });
  expect(ended.stdout).toBe("end\n");
  const blocks = blocksOf(events);
  expect(blocks.map(({ way }) => way)).toEqual(ways);
  check(blocks);
});

test("Workers: on the thread that was blocked", async () => {
  const { events } = await both(PROGRAM, ["worker", "first:500", "sleep:500"], { session });
  const blocks = blocksOf(events);
  check(blocks);
  expect(blocks.map(({ late }) => late[0]?.threadName)).toEqual(["worker", "worker"]);
});

test.each(["main", "worker"])("a block that ends with its thread: %s", async (where) => {
  const { events } = await both(PROGRAM, [where, "exit:500"], { session: { enable: [] } });
  const blocks = blocksOf(events);
  expect(blocks.map(({ late }) => late.length)).toEqual([1]);
  check(blocks);
  if (where === "main") expect(events.at(-1)?.name).toBe("process:exit");
});

test("a loop that comes back has no event", async () => {
  const { events } = await both(PROGRAM, ["main", "quiet:1500"], { session });
  const from = events.findIndex(({ name }) => name === "test:blocking");
  const to = events.findIndex(({ name }) => name === "test:ran");
  const delays = events
    .slice(from, to)
    .filter(({ name }) => name === LATE)
    .map((event) => number(event, "delay_ns"));
  // Where the machine kept the program waiting, that has seen it as well.
  const seen = number(events[to], "longest_ns");
  expect(delays.filter((delay) => delay > seen)).toEqual([]);
  if (seen < LEAST_NS) expect(delays).toEqual([]);
});

/** Runs it with an eye on the timers that are started before its first line. */
async function timers(options: RunOptions): Promise<string> {
  const counting = `--preload=${join(import.meta.dirname, "programs/timers-counted.ts")}`;
  await using place = new Place();
  const program = join(import.meta.dirname, "programs/process-end.ts");
  const { stdout } = await ended(start(place, program, { args: ["end"], bunArgs: [counting], ...options }));
  await place.recorded();
  return /^timers: .*$/m.exec(stdout)?.[0] ?? stdout;
}

test.each([
  [["event_loop:*"], 1],
  [[], 1],
  [["*@warning"], 1],
  [["*@error"], 0],
  [["process:*"], 0],
])("enabled are %j: %d timers", async (enable, count) => {
  expect(await timers({ session: { enable } })).toBe(`timers: ${count}`);
});

test("disable and enable act on the running program; it runs on after stop", async () => {
  await using place = new Place();
  const steps = ["stdin", "sleep:500", "stdin", "sleep:501", "stdin", "sleep:502"];
  const program = start(place, join(import.meta.dirname, "programs", PROGRAM), {
    args: ["main", ...steps],
    session,
    stdin: "pipe",
  });
  const pid = String(program.pid);
  const lines = program.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const waiting = async (): Promise<void> => {
    for (let text = ""; !text.includes("waiting\n"); text += (await lines.read()).value ?? "");
  };
  for (const command of [
    ["disable", pid, LATE],
    ["enable", pid, LATE],
    ["stop", pid],
  ]) {
    await waiting();
    const { status, stderr } = await cli(place, command);
    expect([status, stderr]).toEqual([0, expect.any(String)]);
    program.stdin?.write("\n");
    await program.stdin?.flush();
  }
  program.stdin?.end();
  expect(await program.exited).toBe(0);
  await place.recorded();
  const blocks = blocksOf(await readTrace(place.output));
  expect(blocks.map(({ late }) => late.length > 0)).toEqual([false, true]);
  check(blocks.slice(1));
});

test("`bun test` with faked timers and clocks: none of them is ours, no delay is made up, and it goes on after", async () => {
  await using place = new Place();
  const program = join(import.meta.dirname, "programs/fake-clock.ts");
  const { status, stderr } = await ended(start(place, program, { bunArgs: ["test"], session }));
  expect([status, stderr]).toEqual([0, expect.stringContaining(" 1 pass")]);
  await place.recorded();
  const events = await readTrace(place.output);
  const at = (phase: string): number => events.findIndex(({ fields }) => fields["name"] === phase);
  const [faked, real, blocked] = [at("faked"), at("real"), at("blocked")];
  expect([faked, real, blocked].every((index) => index >= 0)).toBe(true);
  const first = events[0]?.timeNs ?? 0n;
  for (const event of events.filter(({ name }) => name === LATE))
    expect(number(event, "delay_ns")).toBeLessThan(Number(event.timeNs - first) + PERIOD_NS);
  expect(events.slice(faked, real).filter(({ name }) => name === LATE)).toEqual([]);
  // What was due while the clock was faked says nothing about the time after.
  for (const event of events.slice(real, blocked).filter(({ name }) => name === LATE))
    expect(number(event, "delay_ns")).toBeLessThanOrEqual(
      Number(event.timeNs - (events[real]?.timeNs ?? 0n)),
    );
  const after = events.slice(blocked).find(({ name }) => name === LATE);
  expect(number(after, "delay_ns")).toBeGreaterThanOrEqual(500e6 - PERIOD_NS);
});
