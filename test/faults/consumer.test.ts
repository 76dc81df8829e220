/**
 * The consumer as a neighbour: what the program notices of it (nothing), what it
 * notices of the program (its death, whatever the program is doing), what it needs
 * (little), and what is lost when it is killed (nothing).
 */
import { expect, setDefaultTimeout, test } from "bun:test";
import { closeSync, openSync, readdirSync, readFileSync, readlinkSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";

import { compile } from "../../shim/build.ts";
import { RING_OFFSETS, ringsOf, SESSION_OFFSETS } from "../../src/record/session-file.ts";
import { readTrace } from "../support/babeltrace.ts";
import { onlyTrace, streamFiles } from "../support/packets.ts";
import { Place } from "../support/place.ts";
import {
  consumersOf,
  isAlive,
  processState,
  schedulingPolicy,
  statusNumber,
  waitFor,
} from "../support/processes.ts";
import { runCases } from "../support/random.ts";
import { realtimeNs } from "../support/realtime.ts";
import { runJson, start } from "../support/run.ts";
import { runConsumer } from "../support/session-files.ts";
import { checkNumbered } from "./numbered.ts";
import { Obedient } from "./obedient.ts";

setDefaultTimeout(120_000);

const PROGRAMS = join(import.meta.dirname, "programs");

/** Where shim/session.h has `asleep`. */
const ASLEEP_AT = SESSION_OFFSETS.state + 4;

function range(count: number): number[] {
  return Array.from({ length: count }, (_, n) => n);
}

async function numbersIn(place: Place): Promise<unknown[]> {
  return (await readTrace(place.output)).map(({ fields }) => fields["n"]);
}

/** The consumer of a place's one session, when it has come up. */
async function consumerOf(place: Place): Promise<number> {
  const [pid] = await waitFor("the consumer", () => {
    const found = consumersOf(place.sessionDir);
    return found.length > 0 && found;
  });
  return pid ?? 0;
}

test("the program sees no child, no SIGCHLD, no descriptor, no handler; its own signals work", async () => {
  await using place = new Place();
  const program = join(PROGRAMS, "neighbour.ts");
  const result = (await runJson(place, program, {
    args: [place.output, place.sessionDir],
    traced: false,
  })) as Record<"before" | "during" | "after", object>;
  expect(result.during).toEqual(result.before);
  expect(result.after).toEqual(result.before);
  expect(result).toMatchObject({
    told: { SIGCHLD: 0, SIGUSR1: 1, SIGUSR2: 1 },
    sameConsumer: true,
    consumersDescriptors: [
      "/dev/null",
      "/dev/null",
      "/dev/null",
      "anon_inode:[pidfd]",
      "anon_inode:[signalfd]",
    ],
    waited: -1,
  });
  expect(await numbersIn(place)).toEqual(range(5000));
});

test("the consumer needs less than 2 MB of its own, no directory of the program's, and no core that is taken", async () => {
  await using place = new Place();
  const program = start(place, join(PROGRAMS, "states.ts"), { args: ["idle"], session: { flushPeriod: 20 } });
  const consumer = await consumerOf(place);
  await waitFor("the events", () => streamBytes(place) > 0);
  expect(readlinkSync(`/proc/${consumer}/cwd`)).toBe("/");
  const ownKb = statusNumber(consumer, "RssAnon") + statusNumber(consumer, "RssFile");
  expect(ownKb).toBeLessThan(2048);
  // Woken, a batch process does not take the core from the writer that woke it.
  expect([schedulingPolicy(consumer), schedulingPolicy(program.pid)]).toEqual([3, 0]);
  program.kill();
  await program.exited;
  await place.recorded();
});

/** Bytes of all stream files so far. */
function streamBytes(place: Place): number {
  const [trace] = readdirSync(place.output);
  if (trace === undefined) return 0;
  const dir = join(place.output, trace);
  return streamFiles(dir)
    .filter((name) => name.startsWith("thread-"))
    .reduce((sum, name) => sum + statSync(join(dir, name)).size, 0);
}

test("Ctrl+C goes to the program's process group; the consumer is in another", async () => {
  await using place = new Place();
  const program = start(place, join(PROGRAMS, "states.ts"), {
    args: ["idle"],
    session: { flushPeriod: 60_000 },
    wrap: ["setsid"],
  });
  const consumer = await consumerOf(place);
  await program.stdout.getReader().read();
  process.kill(-program.pid, "SIGINT");
  await program.exited;
  expect(program.signalCode).toBe("SIGINT");
  await place.recorded();
  expect(await numbersIn(place)).toEqual(range(100));
  expect(isAlive(consumer)).toBe(false);
});

test.each(["busy", "idle", "stopped"])("the flush timer works while the program is %s", async (state) => {
  await using place = new Place();
  const program = start(place, join(PROGRAMS, "states.ts"), { args: [state], session: { flushPeriod: 20 } });
  await program.stdout.getReader().read();
  if (state === "stopped") await waitFor("it to stop", () => processState(program.pid) === "T");
  // 4 bytes of header and 4 of number each, behind the packets' own.
  await waitFor("the events", () => streamBytes(place) >= 100 * 8);
  expect(await numbersIn(place)).toEqual(range(100));
  program.kill("SIGKILL");
  await program.exited;
  await place.recorded();
  expect(await numbersIn(place)).toEqual(range(100));
});

test("a program whose name looks like the end of its name in /proc", async () => {
  await using place = new Place();
  const script = 'ln -s "$0" "./x) Z 1 (" && exec "./x) Z 1 (" "$@"';
  const options = { args: ["1000"], wrap: ["sh", "-c", script], session: { flushPeriod: 60_000 } };
  expect(await runJson(place, join(PROGRAMS, "no-memory.ts"), options)).toEqual({
    emitted: 1000,
    ringlessDiscarded: 0,
  });
  expect(await numbersIn(place)).toEqual(range(1000));
});

test("a program with SIGUSR1 and SIGUSR2 blocked: full sub-buffers are still written", async () => {
  await using place = new Place();
  const program = start(place, join(PROGRAMS, "states.ts"), {
    args: ["blocked", place.output],
    traced: false,
  });
  await program.stdout.getReader().read();
  // All but the last sub-buffer's worth, and no flush timer.
  await waitFor("the sub-buffers", () => streamBytes(place) >= 4500 * 8);
  program.kill("SIGKILL");
  await program.exited;
  await place.recorded();
  expect(await numbersIn(place)).toEqual(range(5000));
});

test("without pidfd the program's death is noticed all the same", async () => {
  await using place = new Place();
  const program = start(place, join(PROGRAMS, "states.ts"), {
    args: ["idle"],
    session: { flushPeriod: 60_000 },
    env: { BUNTRACE_NO_PIDFD: "1" },
  });
  const consumer = await consumerOf(place);
  await program.stdout.getReader().read();
  const links = readdirSync(`/proc/${consumer}/fd`).map((fd) => readlinkSync(`/proc/${consumer}/fd/${fd}`));
  expect(links).not.toContain("anon_inode:[pidfd]");
  program.kill("SIGKILL");
  await program.exited;
  await place.recorded();
  expect(await numbersIn(place)).toEqual(range(100));
});

test("children of the program, traced or not, and a bare fork disturb nothing", async () => {
  await using place = new Place();
  const library = join(place.dir, "fork.so");
  compile(library, ["-shared", "-fPIC", join(PROGRAMS, "fork.c")]);
  const result = (await runJson(place, join(PROGRAMS, "forks.ts"), {
    args: [library],
    session: { flushPeriod: 60_000 },
  })) as { pid: number };
  expect(result).toMatchObject({ status: 7, traced: 0 });
  const events = await readTrace(place.output);
  const [own, others] = [true, false].map((mine) =>
    events.filter(({ tid }) => (tid === result.pid) === mine).map(({ fields }) => fields["n"]),
  );
  expect(own).toEqual(range(20));
  expect(others).toEqual(range(10).map((n) => 1000 + n));
  expect(readdirSync(place.output).length).toBe(2);
});

test("a consumer that is killed again and again: nothing is lost, torn or written twice", async () => {
  await runCases("test/faults/consumer.test.ts", 4, 4, async (random) => {
    await using place = new Place();
    const session = { mode: "block", blockTimeout: 60_000, subBufferSize: 4096, subBuffers: 3 } as const;
    const program = start(place, join(PROGRAMS, "numbered.ts"), {
      args: [String(random.u32())],
      session: { ...session, flushPeriod: random.pick([1, 5, 60_000]) },
    });
    const reports = program.stdout.bytes();
    for (let kill = 0; kill < 3; kill++) {
      const consumer = await consumerOf(place);
      await Bun.sleep(random.below(30));
      process.kill(consumer, "SIGKILL");
      await waitFor("its death", () => !isAlive(consumer));
    }
    await consumerOf(place);
    await Bun.sleep(random.below(30));
    program.kill("SIGKILL");
    await program.exited;
    const bytes = Buffer.from(await reports);
    await place.recorded();
    const reported = bytes.readUInt32LE(bytes.length - 4 - (bytes.length % 4));
    expect(checkNumbered(await readTrace(place.output))).toBeGreaterThanOrEqual(reported);
  });
});

test.each([["000"], ["077"]])(
  "umask %s: the session file and its directory are the user's alone",
  async (umask) => {
    await using place = new Place();
    const sessionDir = join(place.sessionDir, "made");
    const program = start(place, join(PROGRAMS, "states.ts"), {
      args: ["idle"],
      session: { sessionDir, flushPeriod: 20 },
      wrap: ["sh", "-c", `umask ${umask}; exec "$@"`, "sh"],
    });
    await program.stdout.getReader().read();
    const [file = ""] = readdirSync(sessionDir);
    expect((statSync(sessionDir).mode & 0o7777).toString(8)).toBe("700");
    expect((statSync(join(sessionDir, file)).mode & 0o7777).toString(8)).toBe("600");
    // The trace is for whom the umask says.
    const trace = onlyTrace(place.output);
    expect(statSync(join(trace, "metadata")).mode & Number.parseInt(umask, 8)).toBe(0);
    program.kill();
    await program.exited;
    await waitFor("the session's end", () => readdirSync(sessionDir).length === 0);
    expect(await numbersIn(place)).toEqual(range(100));
  },
);

/** Whether the first thread of a place's one session waits for room. */
function isWaiting(place: Place): boolean {
  const bytes = readFileSync(join(place.sessionDir, place.sessions()[0] ?? ""));
  const [ring] = ringsOf(bytes);
  return ring !== undefined && bytes.readUInt32LE(ring + RING_OFFSETS.waiting) === 1;
}

async function threadWaits(place: Place): Promise<void> {
  await waitFor("the thread to wait", () => isWaiting(place));
}

test("a session ended while a thread waits for room, in block mode: its event is in the trace, with the time when there was room", async () => {
  await using place = new Place();
  const program = start(place, join(PROGRAMS, "until-disabled.ts"), {
    session: { subBufferSize: 4096, subBuffers: 2, mode: "block", blockTimeout: 60_000, flushPeriod: 60_000 },
    stdin: "pipe",
  });
  const consumer = await consumerOf(place);
  await program.stderr.getReader().read();
  // Stopped in its sleep: the first thing that it hears is its end.
  await waitFor("the consumer to sleep", () => processState(consumer) === "S");
  process.kill(consumer, "SIGSTOP");
  program.stdin?.write("\n");
  await program.stdin?.end();
  await threadWaits(place);
  await Bun.sleep(50);
  const room = realtimeNs();
  for (const signal of ["SIGTERM", "SIGCONT"] as const) process.kill(consumer, signal);
  const emitted = Number(await program.stdout.text());
  await place.recorded();
  const events = await readTrace(place.output);
  expect(events.map(({ fields }) => fields["n"])).toEqual(range(emitted));
  // Up to a moment before, the trace may have been told to be complete.
  expect(events.at(-1)?.timeNs).toBeGreaterThan(room);
});

test("block mode: a consumer that stands still is waited for once, and again when it goes on", async () => {
  await using place = new Place();
  const ring = { subBufferSize: 4096, subBuffers: 2, flushPeriod: 60_000 } as const;
  const program = new Obedient(place, { ...ring, mode: "block", blockTimeout: 1000 });
  await program.tell("emit 1");
  const consumer = await consumerOf(place);
  process.kill(consumer, "SIGSTOP");
  // To wait for each of them would take hours.
  await program.tell("emit 20000");
  process.kill(consumer, "SIGCONT");
  const stood = await program.tell("flush");
  // Or the end of the session would wait for it.
  expect(isWaiting(place)).toBe(false);
  expect(stood.discarded).toBeGreaterThan(10_000);
  expect(stood.recorded + stood.discarded).toBe(20_001);
  // Many rings full: without a wait for each some would be lost.
  await program.tell("emit 200000");
  const { recorded, discarded } = await program.tell("flush");
  expect([recorded - stood.recorded, discarded]).toEqual([200_000, stood.discarded]);
  expect(await program.end()).toBe("");
  await place.recorded();
}, 60_000);

test("block mode: a consumer killed while it is waited for has a successor within the usual timeout", async () => {
  await using place = new Place();
  const ring = { subBufferSize: 4096, subBuffers: 2, flushPeriod: 60_000 } as const;
  const program = new Obedient(place, { ...ring, mode: "block" });
  await program.tell("emit 1");
  const consumer = await consumerOf(place);
  // Consumers are started a second apart.
  await Bun.sleep(1000);
  process.kill(consumer, "SIGSTOP");
  const emitted = program.tell("emit 2000");
  await threadWaits(place);
  process.kill(consumer, "SIGKILL");
  await emitted;
  expect(await program.tell("flush")).toMatchObject({ recorded: 2001, discarded: 0 });
  expect(await program.end()).toBe("");
  await place.recorded();
  expect(await numbersIn(place)).toEqual(range(2001));
});

test("a consumer that dies at work, and not in its sleep, has a successor when a sub-buffer is full", async () => {
  await using place = new Place();
  const program = new Obedient(place, { subBufferSize: 4096, subBuffers: 2, flushPeriod: 60_000 });
  await program.tell("emit 1");
  const consumer = await consumerOf(place);
  await Bun.sleep(1000); // consumers are started a second apart
  process.kill(consumer, "SIGKILL");
  await waitFor("its death", () => !isAlive(consumer));
  // As it would have left it: nobody wakes who is awake.
  const session = openSync(join(place.sessionDir, place.sessions()[0] ?? ""), "r+");
  writeSync(session, new Uint8Array(4), 0, 4, ASLEEP_AT);
  closeSync(session);
  await program.tell("emit 2000");
  await waitFor("another consumer", () => consumersOf(place.sessionDir).length > 0);
  await program.until("it to write", ({ recorded }) => recorded > 1);
  expect(await program.end()).toBe("");
  await place.recorded();
});

test("a session has one consumer: another leaves at once, and disturbs nothing", async () => {
  await using place = new Place();
  const program = new Obedient(place, { flushPeriod: 60_000 });
  await program.tell("emit 100");
  const consumer = await consumerOf(place);
  const path = join(place.sessionDir, place.sessions()[0] ?? "");
  expect(await runConsumer(path)).toEqual({
    status: 1,
    signal: null,
    stderr: `buntrace-consumer: ${path}: has a consumer already\n`,
  });
  expect(consumersOf(place.sessionDir)).toEqual([consumer]);
  await program.tell("emit 100");
  expect((await program.tell("flush")).recorded).toBe(200);
  await program.end();
  await place.recorded();
  expect(await numbersIn(place)).toEqual(range(200));
});
