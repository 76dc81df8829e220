/**
 * Compares a trace of one thread with the list of its events that the emitting
 * program kept. Runs in the test process.
 */
import { expect } from "bun:test";
import { join } from "node:path";

import { readBits } from "./babeltrace.ts";
import { asExpected, type Expected } from "./expected.ts";
import { onlyTrace, PACKET_HEADER_BYTES, readPackets, streamFiles } from "./packets.ts";
import type { Place } from "./place.ts";
import type { Emitted } from "./plan.ts";

/** Headers of an event record: id and 27 bits of time, or with the whole of both. */
const COMPACT_HEADER_BYTES = 4;
const EXTENDED_HEADER_MORE_BYTES = 9;

/**
 * What babeltrace2 before 2.0.5 makes of an empty string: the event object it
 * takes up again still holds the text of an event before (efficios/babeltrace,
 * pull request 116). Such a text is forgiven; `payloadBytes` shows that the trace
 * itself has none there.
 */
class EmptyStrings {
  readonly #before = new Map<string, Set<string>>();

  /** The value as read, or "" where it may be one that was left over. */
  forgive(event: string, field: string, read: Expected, expected: Expected | undefined): Expected {
    const key = `${event} ${field}`;
    const before = this.#before.get(key) ?? new Set();
    this.#before.set(key, before);
    if (typeof expected === "string" && expected !== "") before.add(expected);
    return expected === "" && typeof read === "string" && before.has(read) ? "" : read;
  }
}

/** Bytes of all payloads in a trace of one stream, and how many records have the extended header. */
function payloadBytes(traceDir: string): { records: number; bytes: number } {
  const packets = streamFiles(traceDir).flatMap((name) => readPackets(join(traceDir, name)));
  const records = packets.reduce((sum, packet) => sum + packet.eventCount, 0);
  const content = packets.reduce((sum, packet) => sum + packet.contentBytes - PACKET_HEADER_BYTES, 0);
  return { records, bytes: content - records * COMPACT_HEADER_BYTES };
}

/**
 * Fails unless babeltrace2 reads in the place's one trace what the program says
 * that it emitted: count, order, names, fields, values, and no byte more.
 * @returns how many records have the extended header.
 */
export async function expectRecorded(place: Place, emitted: Emitted): Promise<number> {
  const trace = onlyTrace(place.output);
  const read = await readBits(trace);
  const empty = new EmptyStrings();
  for (const [i, event] of emitted.events.entries()) {
    const found = read[i];
    const fields = Object.entries(found?.fields ?? {}).map(([name, value]) => [
      name,
      empty.forgive(event.name, name, asExpected(value), event.fields[name]),
    ]);
    // As text: the order of the fields counts, and -0 is no 0.
    expect(`${i} ${found?.name} ${JSON.stringify(fields)}`).toBe(
      `${i} ${event.name} ${JSON.stringify(Object.entries(event.fields))}`,
    );
  }
  expect(read.length).toBe(emitted.events.length);
  expect(emitted.alteredValues).toBe(emitted.altered);
  const { records, bytes } = payloadBytes(trace);
  expect(records).toBe(emitted.events.length);
  const extended = (bytes - emitted.payloadBytes) / EXTENDED_HEADER_MORE_BYTES;
  expect(extended).toBeWithin(0, records + 1);
  expect(extended).toBe(Math.trunc(extended));
  return extended;
}
