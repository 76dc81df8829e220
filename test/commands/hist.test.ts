/**
 * `buntrace hist` from one event to another, and of a field: which events make a pair, what is left over, numbers of all
 * kinds. On traces made by hand.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";

import { HEAD, packet, writeTrace } from "../ctf/hand-made.ts";
import { cli } from "../support/cli.ts";
import { Place } from "../support/place.ts";

setDefaultTimeout(120_000);

const place = new Place();
afterAll(() => place[Symbol.asyncDispose]());

/** Thread, time, event and key of what happens. */
const EVENTS: readonly (readonly [tid: number, time: number, name: "a" | "b", key: number])[] = [
  [1, 5, "b", 9],
  [1, 10, "a", 1],
  [1, 20, "a", 2],
  [2, 25, "a", 3],
  [1, 30, "b", 1],
  [2, 45, "b", 2],
  [1, 50, "b", 3],
  [1, 60, "a", 4],
  [2, 70, "a", 4],
  [2, 80, "b", 4],
];

/** Signed integers, doubles and the greatest integers of events of their own. */
const NUMBERS: readonly (readonly [small: number, real: number, large: bigint])[] = [
  [-5, 0.5, 2n ** 64n - 1n],
  [7, NaN, 2n ** 53n],
  [0, -1.5, 0n],
  [127, 1e12, 5n],
];

beforeAll(() => {
  const metadata = `${HEAD}typealias integer { size = 8; align = 8; signed = true; } := i8;
typealias floating_point { exp_dig = 11; mant_dig = 53; align = 8; } := f64;
stream { id = 0; packet.context := struct { time timestamp_begin; time timestamp_end; u64 content_size;
  u64 packet_size; u64 packet_seq_num; u64 events_discarded; u32 tid; };
  event.header := struct { u32 id; time timestamp; }; };
event { name = "x:a"; id = 0; stream_id = 0; fields := struct { u8 key; }; };
event { name = "x:b"; id = 1; stream_id = 0; fields := struct { u8 key; }; };
event { name = "x:n"; id = 2; stream_id = 0; fields := struct { i8 small; f64 real; u64 large; }; };`;
  const thread = (tid: number): Uint8Array =>
    packet(
      EVENTS.filter(([of]) => of === tid).map(([, time, name, key]) => ({
        id: name === "a" ? 0 : 1,
        time: BigInt(time),
        body: (bits: Bits) => bits.bytes(Uint8Array.of(key)),
      })),
      { instance: BigInt(tid), cpu: tid },
    );
  writeTrace(join(place.dir, "pairs"), { metadata, one: thread(1), two: thread(2) });
  const numbers = NUMBERS.map(([small, real, large], at) => ({
    id: 2,
    time: BigInt(at),
    body: (bits: Bits) =>
      bits.bytes(
        Buffer.concat([
          Uint8Array.of(small & 255),
          new Uint8Array(Float64Array.of(real).buffer),
          new Uint8Array(BigUint64Array.of(large).buffer),
        ]),
      ),
  }));
  writeTrace(join(place.dir, "numbers"), { metadata, one: packet(numbers, { cpu: 1 }) });
});

interface Bits {
  bytes(bytes: Uint8Array): void;
}

/** Durations of the pairs, as far as the histogram keeps them, and what it says of the rest. */
async function hist(...args: string[]): Promise<{ values: number[]; rest: string | undefined }> {
  const { stdout, stderr, status } = await cli(place, ["hist", ...args, "--json"]);
  expect([stderr, status]).toEqual(["", 0]);
  const [summary, ...buckets] = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, number>);
  const values = buckets.flatMap(({ from_ns: from = NaN, count = 0 }) => Array<number>(count).fill(from));
  expect(summary).toMatchObject({ count: values.length, min_ns: values[0], max_ns: values.at(-1) });
  return { values, rest: summary?.["without_duration"] as unknown as string | undefined };
}

test("a pair is an event and the next other one of its thread", async () => {
  // Thread 1: 20 to 30, thread 2: 25 to 45 and 70 to 80.
  expect(await hist("pairs", "x:a", "x:b")).toEqual({
    values: [10, 10, 20],
    rest: "1 x:a followed by another, 2 x:b without one before, 1 x:a without one after",
  });
  expect(await hist("pairs", "x:a", "x:b", "-t", "2")).toEqual({ values: [10, 20], rest: undefined });
});

test("or, with --by, the next one with the same value, on any thread", async () => {
  // Of key 1: 10 to 30, 2: 20 to 45, 3: 25 to 50, 4: 70 to 80, after another one.
  expect(await hist("pairs", "x:a", "x:b", "--by", "key")).toEqual({
    values: [10, 20, 25, 25],
    rest: "1 x:a followed by another, 1 x:b without one before",
  });
});

test("from an event to the next of its kind each is both", async () => {
  // Thread 1: 10, 20, 60; thread 2: 25, 70.
  expect(await hist("pairs", "x:a", "x:a")).toEqual({ values: [10, 40, 45], rest: undefined });
  // Thread 1: 5, 10, 20, 30, 50, 60; thread 2: 25, 45, 70, 80.
  expect(await hist("pairs", "x:*", "x:*")).toEqual({
    values: [5, 10, 10, 10, 10, 20, 20, 25],
    rest: undefined,
  });
});

test("numbers of a field: what is below 0 is not drawn, but told", async () => {
  expect(await hist("numbers", "x:n", "--field", "small")).toEqual({
    values: [0, 7, 127],
    rest: "1 below 0",
  });
  const { stdout } = await cli(place, ["hist", "numbers", "x:n", "--field", "real"]);
  expect(stdout).toStartWith("x:n real: 2 events, min 0.5 ns, ");
  expect(stdout).toContain("\nnot in it: 1 below 0, 1 without such a number\n");
  const large = await cli(place, ["hist", "numbers", "x:n", "--field", "large"]);
  expect(large.stdout).toStartWith("x:n large: 4 events, min 0 ns, ");
  const none = await cli(place, ["hist", "numbers", "x:n", "--field", "small", "-w", "small < 0"]);
  expect([none.stdout, none.stderr, none.status]).toEqual([
    "",
    "buntrace: --field small: none of these events has a number from 0 on there\n",
    1,
  ]);
});

test("bars fill the width, and what is little is still a bar", async () => {
  for (const columns of ["50", "120"]) {
    const { stdout } = await cli(place, ["hist", "pairs", "x:*", "x:*"], { COLUMNS: columns });
    const rows = stdout.split("\n").filter((line) => / ns +\d/.test(line));
    expect(Math.max(...rows.map((row) => Bun.stringWidth(row)))).toBe(Number(columns));
    // A bar where there is a value, and nowhere else.
    for (const row of rows) expect(/[▏▎▍▌▋▊▉█]/.test(row)).toBe(!/ ns +0 /.test(row));
  }
});
