/**
 * Streams and packets: ids and pauses that need the extended header, sub-buffers
 * that are full to the last byte, events that no sub-buffer holds, floods of a
 * tiny ring; and what each packet says of itself.
 */
import { expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";

import { readReport, readTrace } from "../support/babeltrace.ts";
import { expectRecorded } from "../support/compare.ts";
import { expectGoodPackets } from "../support/packet-rules.ts";
import { onlyTrace, PACKET_HEADER_BYTES, readPackets, streamFiles } from "../support/packets.ts";
import { Place } from "../support/place.ts";
import { emitPlan } from "../support/plan.ts";
import { runCases } from "../support/random.ts";
import { runJson } from "../support/run.ts";

setDefaultTimeout(120_000);

const PROGRAMS = join(import.meta.dirname, "programs");
const FILE = "test/conformance/streams.test.ts";

/** The smallest ring there is. */
const TINY = { subBufferSize: 4096, subBuffers: 2 };

test.each([1, 30, 31, 32, 300])("%d event types", async (count) => {
  await using place = new Place();
  const types = Array.from({ length: count }, (_, i) => ({
    name: `type_${i}`,
    fields: [["n", "u32"] as const, ...(i % 3 === 0 ? [["s", "string"] as const] : [])],
  }));
  // A row of all, then pairs far apart.
  const order = [...types.keys(), ...Array.from({ length: 300 }, (_, i) => (i * 37) % count)];
  const events = order.map((type, i) => ({
    type,
    values: [i, `no ${i}`].slice(0, types[type]?.fields.length),
  }));
  const extended = await expectRecorded(place, await emitPlan(place, { types, events }));
  // Ids from 31 on; id 0 is the library's own `tracef`.
  expect(extended).toBeGreaterThanOrEqual(order.filter((type) => type >= 30).length);
});

test.each(["cycles", "monotonic"] as const)("pauses beyond the compact header's time, %s", async (clock) => {
  await using place = new Place();
  // 2^27 cycles are some 55 ms, 2^27 ns are 134 ms: below, about, and some wraps above.
  const pauses = clock === "cycles" ? [1, 50, 56, 60, 115, 180, 0] : [1, 100, 130, 140, 280, 0];
  const emitted = await runJson(place, join(PROGRAMS, "pauses.ts"), {
    args: pauses.map(String),
    session: { clock, flushPeriod: 150 },
  });
  const events = await readTrace(place.output);
  const times = (emitted as { times: [before: string, after: string][] }).times;
  expect(events.map(({ fields }) => fields["n"])).toEqual(times.map((_, i) => i));
  for (const [i, [before, after]] of times.entries()) {
    // Between the readings around it, give or take what two calibrations differ by.
    expect(events[i]?.timeNs).toBeGreaterThanOrEqual(BigInt(before) - 10_000n);
    expect(events[i]?.timeNs).toBeLessThanOrEqual(BigInt(after) + 10_000n);
  }
  expectGoodPackets(onlyTrace(place.output), events);
});

interface Flood {
  readonly emitted: number;
  readonly tooLarge: number;
  readonly recordsWritten: number;
  readonly discardedTold: number;
}

test.each(["cycles", "monotonic"] as const)(
  "a flood of a tiny ring, every loss counted, %s",
  async (clock) => {
    await runCases(FILE, 2, 2, async (random) => {
      await using place = new Place();
      const flood = (await runJson(place, join(PROGRAMS, "flood.ts"), {
        args: ["50000", String(random.u32()), "0"],
        session: { ...TINY, clock, flushPeriod: random.between(1, 20) },
      })) as Flood;
      const { events, discarded } = await readReport(place.output);
      expectFloodEvents(events);
      expect(events.length + discarded).toBe(flood.emitted);
      expect(discarded).toBeGreaterThan(0);
      expect(flood.recordsWritten).toBe(events.length);
      expect(flood.discardedTold).toBe(discarded);
      expectGoodPackets(onlyTrace(place.output), events);
    });
  },
);

/** Events of programs/flood.ts: in order, and each with the text of its number. */
function expectFloodEvents(events: Awaited<ReturnType<typeof readTrace>>): void {
  let last = -1;
  for (const { fields } of events) {
    const n = Number(fields["n"]);
    if (n <= last) throw new Error(`event ${n} after ${last}`);
    if (fields["text"] !== String(n).repeat(Number(fields["times"])))
      throw new Error(`event ${n} has the text ${JSON.stringify(fields["text"])}`);
    last = n;
  }
}

test.each(["discard", "block"] as const)("events larger than a sub-buffer, %s mode", async (mode) => {
  await using place = new Place();
  const flood = (await runJson(place, join(PROGRAMS, "flood.ts"), {
    args: ["2000", "1", "7"],
    session: { ...TINY, mode, flushPeriod: 5, blockTimeout: 20_000 },
  })) as Flood;
  const { events, discarded } = await readReport(place.output);
  expectFloodEvents(events);
  expect(flood.tooLarge).toBeGreaterThan(200);
  expect(events.length + discarded).toBe(flood.emitted);
  // Nothing else may be lost where the program waits for room.
  if (mode === "block") expect(discarded).toBe(flood.tooLarge);
  else expect(discarded).toBeGreaterThanOrEqual(flood.tooLarge);
});

test("block mode beside a consumer that is stuck: the program goes on after its timeout, losses counted", async () => {
  await using place = new Place();
  const session = { ...TINY, mode: "block", blockTimeout: 30, flushPeriod: 60_000 } as const;
  await runJson(place, join(PROGRAMS, "full-ring.ts"), { args: ["500"], session });
  const { events, discarded } = await readReport(place.output);
  // 500 while it was stopped, into a ring of some 128; ten after it went on.
  expect(events.length + discarded).toBe(510);
  expect(discarded).toBeGreaterThan(300);
  expect(events.slice(-10).map(({ fields }) => fields["n"])).toEqual(range(500, 510));
});

test("a ring that is full to the last byte", async () => {
  // Each case: how many records of 64 bytes go into a ring of 4 x 64, its consumer stopped.
  for (const count of [64, 128, 255, 256, 257, 300, 1000]) {
    await using place = new Place();
    const session = { subBufferSize: 4096, subBuffers: 4, clock: "monotonic", flushPeriod: 60_000 } as const;
    await runJson(place, join(PROGRAMS, "full-ring.ts"), { args: [String(count)], session });
    const { events, discarded } = await readReport(place.output);
    const fits = Math.min(count, 256);
    const numbers = events.map(({ fields }) => Number(fields["n"]));
    const packets = packetsOf(place);
    // A pause of 134 ms while it emitted makes one record larger: nothing can be said of that round.
    if (packets.some(({ contentBytes }) => (contentBytes - PACKET_HEADER_BYTES) % 64 !== 0)) continue;
    // 10 more come when the consumer has made room.
    expect(numbers).toEqual([...range(0, fits), ...range(count, count + 10)]);
    expect(discarded).toBe(count - fits);
    expect(packets.filter(({ eventCount }) => eventCount === 64).length).toBe(Math.floor(fits / 64));
    expectGoodPackets(onlyTrace(place.output), events);
  }
});

test("flushes at every place of a sub-buffer", async () => {
  await runCases(FILE, 2, 2, async (random) => {
    await using place = new Place();
    const counts = Array.from({ length: 120 }, () =>
      random.pick([1, 1, 2, 31, 32, 33, 63, 64, 65, 127, 128]),
    );
    // Block mode: nothing may be lost, however slow the consumer.
    const session = { subBufferSize: 4096, subBuffers: 2, mode: "block", blockTimeout: 20_000 } as const;
    await runJson(place, join(PROGRAMS, "flush.ts"), { args: counts.map(String), session });
    const events = await readTrace(place.output);
    const total = counts.reduce((sum, count) => sum + count, 0);
    expect(events.map(({ fields }) => Number(fields["n"]))).toEqual(range(0, total));
    expect(packetsOf(place).length).toBeGreaterThanOrEqual(counts.length);
    expectGoodPackets(onlyTrace(place.output), events);
  });
});

function packetsOf(place: Place): ReturnType<typeof readPackets> {
  const trace = onlyTrace(place.output);
  return streamFiles(trace).flatMap((name) => readPackets(join(trace, name)));
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}
