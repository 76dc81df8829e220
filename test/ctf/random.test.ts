/**
 * The reader against babeltrace2 and against the writer, on random traces of every
 * type: names, times, fields. BUNTRACE_READ_CASES sets how many.
 */
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import {
  type EventClass,
  type EventRecord,
  eventTime,
  type Fields,
  type FieldValue,
  openTraces,
  type TraceSet,
} from "../../src/ctf/index.ts";
import { numberFromEnvironment, runCases } from "../support/random.ts";
import { ourText, theirText } from "./oracle.ts";
import { type RandomTrace, writeRandomTrace } from "./random-trace.ts";

const root = mkdtempSync(join(tmpdir(), "buntrace-random-"));
afterAll(() => rmSync(root, { recursive: true }));

const CASES = numberFromEnvironment("BUNTRACE_READ_CASES", 150);

/** As babeltrace2 converts: in doubles, rounded down, the offset apart. */
function nanoseconds({ frequency, offsetSeconds, offsetCycles }: RandomTrace, cycles: bigint): bigint {
  const convert = (value: bigint): bigint =>
    frequency === 1_000_000_000n ? value : BigInt(Math.floor((1e9 * Number(value)) / Number(frequency)));
  const seconds = offsetSeconds + offsetCycles / frequency;
  return seconds * 1_000_000_000n + convert(offsetCycles % frequency) + convert(cycles);
}

/** The columnar form says the same as the records, class by class. */
function checkColumns(set: TraceSet, records: readonly EventRecord[]): void {
  const byClass = Map.groupBy(records, ({ event }) => event);
  const next = new Map<EventClass, number>();
  for (const { batch, event, length, rows, columns } of set.groups()) {
    for (let row = 0; row < length; row += 1) {
      const at = next.get(event) ?? 0;
      next.set(event, at + 1);
      const record = byClass.get(event)?.[at];
      expect(eventTime(batch, rows[row] ?? 0)).toBe(record?.time as never);
      for (const column of columns) {
        let value: FieldValue | undefined = record?.[column.scope];
        for (const word of column.name.split(".")) value = (value as Fields | undefined)?.[word];
        expect(column.value(row) as unknown).toEqual(value);
        if (typeof value === "number" && column.numbers !== undefined)
          expect(column.numbers[row]).toBe(value);
      }
    }
  }
  for (const [event, list] of byClass) expect(next.get(event)).toBe(list.length);
}

test("random traces are read as babeltrace2 reads them, and as they were written", async () => {
  await runCases("test/ctf/random.test.ts", CASES, 2, async (random, index) => {
    const directory = join(root, String(index));
    const trace = writeRandomTrace(random, directory);
    const set = openTraces(directory);
    const read = [...set.events()];
    expect(set.problems).toEqual([]);
    expect(read.map(({ name }) => name)).toEqual(trace.events.map(({ name }) => name));
    expect(read.map(({ time }) => time)).toEqual(
      trace.events.map(({ cycles }) => nanoseconds(trace, cycles)),
    );
    trace.events.forEach(({ fields, context, streamContext }, at) => {
      expect(read[at]?.fields as unknown).toEqual(fields);
      expect(read[at]?.context as unknown).toEqual(context);
      expect(read[at]?.streamContext as unknown).toEqual(streamContext);
    });
    checkColumns(set, read);
    const theirs = await theirText(directory);
    expect(theirs.stderr).toBe("");
    expect(ourText(directory)).toEqual({ text: theirs.text, problems: [] });
    rmSync(directory, { recursive: true });
  });
});
