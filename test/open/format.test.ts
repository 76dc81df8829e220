/** The bytes of the page's data: integers, durations' bins, and which events are chosen. */
import { expect, test } from "bun:test";
import fc from "fast-check";

import { choose } from "../../src/open/choice.ts";
import { binOf, binStart, IntWriter, MAX_INT, readInts } from "../../src/open/format.ts";
import { Lanes, MAX_LANES } from "../../src/open/lanes.ts";
import { ALWAYS, BLOCK_EVENTS, type Survey, UNWANTED } from "../../src/open/survey.ts";
import { SEED, seed } from "../support/random.ts";

seed();

const edges = [
  0,
  63,
  64,
  8191,
  2 ** 27 - 1,
  2 ** 27,
  2 ** 28,
  2 ** 30,
  2 ** 31,
  2 ** 35,
  MAX_INT - 1,
  MAX_INT,
];
const integers = fc.oneof(
  fc.constantFrom(...edges, ...edges.map((edge) => -edge)),
  fc.integer({ min: -1000, max: 1000 }),
  fc.integer({ min: -MAX_INT, max: MAX_INT }),
);

test("integers come back as they went in, behind others' bytes", () => {
  fc.assert(
    fc.property(fc.array(integers, { maxLength: 200 }), fc.nat(40), (values, before) => {
      const writer = new IntWriter();
      for (const value of values) writer.push(value);
      const bytes = Buffer.concat([Buffer.alloc(before, 255), writer.bytes, Buffer.alloc(9, 255)]);
      const read = readInts(
        bytes,
        [before, writer.bytes.length, writer.count],
        new Float64Array(writer.count),
      );
      // No negative zero, either.
      expect([...read].map((value) => value + 0)).toEqual(values.map((value) => value + 0));
    }),
    { seed: SEED, numRuns: 400 },
  );
});

test("a duration is in its bin", () => {
  fc.assert(
    fc.property(fc.double({ min: 1, max: 2 ** 53, noNaN: true }), (duration) => {
      const bin = binOf(duration);
      expect(binStart(bin)).toBeLessThanOrEqual(duration * 1.000000001);
      expect(binStart(bin + 1)).toBeGreaterThan(duration * 0.999999999);
    }),
    { seed: SEED },
  );
  expect(binOf(0)).toBe(0);
});

test("chosen are the last moment, what failed or did not end, the longest; and not much more than asked for", () => {
  const blocks = 100;
  const spans = Uint16Array.from({ length: (blocks * BLOCK_EVENTS) / 2 }, (_none, at) =>
    at % 1000 === 0 ? ALWAYS : at % 17 === 0 ? UNWANTED : binOf((at * 7919) % 1_000_000) + 1,
  );
  const wanted = spans.filter((code) => code !== UNWANTED).length;
  const found: Survey = {
    spans,
    events: new Map(),
    total: wanted * 2,
    blocks: Array.from({ length: blocks }, () => (wanted * 2) / blocks),
    begin: 0,
    end: 1e9,
  };
  const limit = 20_000;
  const choice = choose(found, () => false, limit);
  const chosen = [...spans.keys()].filter((ordinal) => choice.span(ordinal, ordinal * 2));
  expect(chosen.length * 2).toBeWithin(limit * 0.6, limit * 1.1);
  const isChosen = new Set(chosen);
  const least = Math.min(...chosen.filter((at) => at < spans.length / 2).map((at) => spans[at] ?? 0));
  for (const [at, code] of spans.entries()) {
    if (code === UNWANTED) expect(isChosen.has(at)).toBe(false);
    else if (code >= least) expect(isChosen.has(at)).toBe(true);
  }
  const last = spans.length - (limit / 4 / 2) * 0.9;
  for (let at = Math.ceil(last); at < spans.length; at += 1)
    expect(isChosen.has(at)).toBe(spans[at] !== UNWANTED);
  expect(choice.note).toContain("the last 5,000");
  expect(choose(found, () => false, found.total).note).toBeUndefined();
});

test("rows: no two at a time, children below their parents, and an end to them", () => {
  const lanes = new Lanes();
  const first = lanes.take(-1);
  const child = lanes.take(first);
  const second = lanes.take(-1);
  expect([first, child, second]).toEqual([0, 1, 2]);
  lanes.release(child);
  expect(lanes.take(second)).toBe(3);
  expect(lanes.take(-1)).toBe(1);
  for (let more = 4; more < MAX_LANES; more += 1) expect(lanes.take(-1)).toBe(more);
  expect(lanes.take(-1)).toBe(MAX_LANES);
  expect(lanes.take(5)).toBe(MAX_LANES);
  expect([lanes.count, lanes.crowded]).toEqual([MAX_LANES + 1, 2]);
});
