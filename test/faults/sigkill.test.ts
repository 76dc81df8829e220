/**
 * SIGKILL at a random moment, two hundred times: the trace holds a prefix of what
 * the program emitted, without a gap, at least up to what it had reported, and no
 * torn event. `BUNTRACE_KILLS=2000` is the big form.
 */
import { expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import type { SessionOptions } from "../../src/index.ts";
import { HEADER_BYTES, SESSION_OFFSETS } from "../../src/record/session-file.ts";
import { readTrace } from "../support/babeltrace.ts";
import { expectGoodPackets } from "../support/packet-rules.ts";
import { onlyTrace } from "../support/packets.ts";
import { Place } from "../support/place.ts";
import { waitFor } from "../support/processes.ts";
import { numberFromEnvironment, type Random, runCases } from "../support/random.ts";
import { start } from "../support/run.ts";
import { checkNumbered } from "./numbered.ts";

setDefaultTimeout(3_600_000);

const KILLS = numberFromEnvironment("BUNTRACE_KILLS", 200);
const PROGRAM = join(import.meta.dirname, "programs/numbered.ts");

/** Rings from the smallest, where the writer waits for the consumer all the time, to the usual one. */
function anySession(random: Random): SessionOptions {
  const flushPeriod = random.pick([1, 10, 1000, 60_000]);
  const clock = random.pick(["cycles", "cycles", "monotonic"] as const);
  return random.pick<SessionOptions>([
    { clock, flushPeriod },
    { clock, flushPeriod, mode: "block", blockTimeout: 60_000, subBufferSize: 4096, subBuffers: 2 },
    { clock, flushPeriod, mode: "block", blockTimeout: 60_000, subBufferSize: 8192, subBuffers: 5 },
  ]);
}

test(`SIGKILL at a random moment, ${KILLS} times`, async () => {
  const counts: number[] = [];
  await runCases("test/faults/sigkill.test.ts", KILLS, 4, async (random) => {
    await using place = new Place();
    const program = start(place, PROGRAM, { args: [String(random.u32())], session: anySession(random) });
    const reader = program.stdout.getReader();
    let reported = 0;
    let bytes = Buffer.alloc(0);
    const read = (async () => {
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return;
        // Reports of four bytes; the last one counts.
        bytes = Buffer.concat([bytes.subarray(bytes.length - (bytes.length % 4)), value]);
        const whole = bytes.length - (bytes.length % 4);
        if (whole > 0) reported = bytes.readUInt32LE(whole - 4);
      }
    })();
    // One in eight may be killed before its first event, or before its first line.
    const early = random.below(8) === 0;
    while (!early && reported === 0) await Bun.sleep(1);
    await Bun.sleep(random.below(early ? 60 : 40) + random.below(1000) / 1000);
    program.kill("SIGKILL");
    await Promise.all([program.exited, read]);
    expect(program.signalCode).toBe("SIGKILL");
    expect(await program.stderr.text()).toBe("");
    await written(place);
    if (reported === 0 && !hasTrace(place)) return;
    const events = await readTrace(place.output);
    const recorded = checkNumbered(events);
    expect(recorded).toBeGreaterThanOrEqual(reported);
    expectGoodPackets(onlyTrace(place.output), events);
    counts.push(recorded);
  });
  console.error(`  ${counts.length} traces, ${counts.reduce((sum, n) => sum + n, 0)} events, none missing`);
});

/**
 * As place.recorded; but a program may be killed between making its session file
 * and starting its consumer: then the file stays, and has no ring.
 */
async function written(place: Place): Promise<void> {
  const grace = performance.now() + 3000;
  await waitFor("the consumers to write the traces to their ends", () => {
    const [name] = place.sessions();
    if (name === undefined) return true;
    return performance.now() > grace && isUnborn(join(place.sessionDir, name));
  });
}

/** Whether a session file never had a consumer nor a ring. */
function isUnborn(path: string): boolean {
  const header = existsSync(path) ? readFileSync(path) : Buffer.alloc(0);
  if (header.length < HEADER_BYTES) return true;
  const { consumer_lock, ring_count } = SESSION_OFFSETS;
  return header.readUInt32LE(consumer_lock) === 0 && header.readUInt32LE(ring_count) === 0;
}

/** Whether the program came far enough to begin a trace. */
function hasTrace(place: Place): boolean {
  return readdirSync(place.output).some((name) => existsSync(join(place.output, name, "metadata")));
}
