/**
 * The consumer program under the sanitizers in real recordings, and one whose disk
 * fails all the time: the trace is exact all the same.
 */
import { beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { readReport, readTrace } from "../support/babeltrace.ts";
import { buildProgram, shimSource } from "../support/c-compiler.ts";
import { expectGoodPackets } from "../support/packet-rules.ts";
import { onlyTrace } from "../support/packets.ts";
import { Place } from "../support/place.ts";
import { waitFor } from "../support/processes.ts";
import { numberFromEnvironment, runCases } from "../support/random.ts";
import { runJson, start } from "../support/run.ts";
import {
  abandonedSession,
  binariesWith,
  changedCopy,
  redirect,
  runConsumer,
} from "../support/session-files.ts";
import { checkNumbered } from "../faults/numbered.ts";

setDefaultTimeout(600_000);

const FILE = "test/shim/consumer.test.ts";
const NUMBERED = join(import.meta.dirname, "../faults/programs/numbered.ts");
const FLOODERS = join(import.meta.dirname, "programs/flooders.ts");
/** What it emits. */
const FLOODERS_EVENTS = 2 * 15_000;
const FLOOD = join(import.meta.dirname, "../conformance/programs/flood.ts");

const dir = mkdtempSync(join(tmpdir(), "buntrace-consumers-"));
process.on("exit", () => rmSync(dir, { recursive: true, force: true }));
const sanitized = join(dir, "sanitized");
const faulty = join(dir, "faulty");
const slow = join(dir, "slow");

beforeAll(() => {
  buildProgram(sanitized, [shimSource("consumer.c")], "address");
  buildProgram(slow, [join(import.meta.dirname, "slow-consumer.c")], "none");
  // The renaming macros are for consumer.c alone: the faulty calls call the real ones.
  buildProgram(
    faulty,
    [join(import.meta.dirname, "faulty-consumer.c"), join(import.meta.dirname, "faulty-disk.c")],
    "none",
  );
});

/** Where the sanitizers write to: the consumer's stderr goes nowhere. */
function sanitizerEnv(place: Place): Record<string, string> {
  const options = `log_path=${join(place.dir, "sanitizer")}:detect_leaks=0`;
  return { ASAN_OPTIONS: options, UBSAN_OPTIONS: `print_stacktrace=1:${options}` };
}

/** What the sanitizers wrote. */
function complaints(place: Place): string {
  return readdirSync(place.dir)
    .filter((name) => name.startsWith("sanitizer."))
    .map((name) => readFileSync(join(place.dir, name), "utf8"))
    .join("");
}

test("a sanitized consumer: floods, kills, flushes", async () => {
  await runCases(FILE, 6, 2, async (random, index) => {
    await using place = new Place();
    const env = { BUNTRACE_BINARIES: binariesWith(place, { path: sanitized }), ...sanitizerEnv(place) };
    const flushPeriod = random.pick([1, 10, 60_000]);
    if (index % 2 === 0) {
      const session = { subBufferSize: 4096, subBuffers: 2, flushPeriod };
      await runJson(place, FLOOD, { args: ["20000", String(random.u32()), "50"], session, env });
      const { events, discarded } = await readReport(place.output);
      expect(events.length + discarded).toBe(20_000);
    } else {
      const session = { subBufferSize: 8192, subBuffers: 3, mode: "block", blockTimeout: 60_000 } as const;
      const program = start(place, NUMBERED, {
        args: [String(random.u32())],
        session: { ...session, flushPeriod },
        env,
      });
      const reports = program.stdout.bytes();
      await waitFor("the session", () => place.sessions().length > 0);
      await Bun.sleep(random.below(150));
      program.kill("SIGKILL");
      await reports;
      await place.recorded();
      checkNumbered(await readTrace(place.output));
    }
    expect(complaints(place)).toBe("");
  });
});

const DAMAGED = numberFromEnvironment("BUNTRACE_DAMAGED", 60);

test(`a sanitized consumer on session files damaged at random, ${DAMAGED} times`, async () => {
  await using place = new Place();
  const session = { subBufferSize: 4096, subBuffers: 4 };
  const endings = join(import.meta.dirname, "../faults/programs/endings.ts");
  const good = await abandonedSession(place, endings, ["SIGKILL", "300"], session);
  await runCases(FILE, DAMAGED, 2, async (random, index) => {
    const path = changedCopy(good, `damaged-${index}`, (bytes) => {
      redirect(bytes, join(place.dir, `trace-${index}`));
      const ring = bytes.length - (4096 + session.subBufferSize * session.subBuffers);
      // Only counters and descriptors of the ring, and the geometry: what it computes with.
      for (let i = random.between(1, 6); i > 0; i--) {
        const at = random.pick([
          36 + random.below(12),
          ring + random.below(1024),
          ring + 64 + random.below(256),
        ]);
        bytes[at] = random.below(256);
      }
    });
    const { signal, stderr } = await runConsumer(path, sanitized);
    expect([signal, stderr.includes("Sanitizer") || stderr.includes("runtime error")]).toEqual([null, false]);
    rmSync(path, { force: true });
  });
});

test("a consumer that is slower than two threads, in block mode: each has its turn, and nothing is lost", async () => {
  await using place = new Place();
  // One thread's alone would take more than twice the timeout to write.
  const session = { mode: "block", blockTimeout: 300, subBufferSize: 4096, subBuffers: 4 } as const;
  const program = start(place, FLOODERS, {
    session: { ...session, flushPeriod: 60_000 },
    env: { BUNTRACE_BINARIES: binariesWith(place, { path: slow }) },
  });
  expect([await program.stderr.text(), await program.exited]).toEqual(["", 0]);
  await place.recorded();
  const report = await readReport(place.output);
  expect([report.events.length, report.discarded]).toEqual([FLOODERS_EVENTS, 0]);
});

test("a disk that fails again and again: nothing lost, nothing twice, nothing torn", async () => {
  const injected = [0, 0, 0, 0, 0, 0];
  await runCases(FILE, 6, 6, async (random) => {
    await using place = new Place();
    const counted = join(place.dir, "counted");
    const session = { subBufferSize: 4096, subBuffers: 4, mode: "block", blockTimeout: 60_000 } as const;
    const program = start(place, NUMBERED, {
      args: [String(random.u32())],
      session: { ...session, flushPeriod: random.pick([5, 60_000]) },
      env: {
        BUNTRACE_BINARIES: binariesWith(place, { path: faulty }),
        BUNTRACE_FAULTS: String(1 + random.u32()),
        BUNTRACE_FAULTS_COUNTED: counted,
      },
    });
    const reports = program.stdout.bytes();
    // Each failure makes the consumer wait for a tenth of a second.
    await Bun.sleep(3000);
    program.kill("SIGKILL");
    const bytes = Buffer.from(await reports);
    await place.recorded();
    const events = await readTrace(place.output);
    const reported = bytes.readUInt32LE(bytes.length - 4 - (bytes.length % 4));
    expect(checkNumbered(events)).toBeGreaterThanOrEqual(reported);
    expectGoodPackets(onlyTrace(place.output), events);
    const counts = readFileSync(counted, "utf8").trim().split(" ").map(Number);
    counts.forEach((n, i) => {
      injected[i] = (injected[i] ?? 0) + n;
    });
  });
  // Of each kind: interrupted, failed, full, short, not cut back, not allocated.
  if (process.env["BUNTRACE_CASE"] === undefined) for (const n of injected) expect(n).toBeGreaterThan(0);
});
