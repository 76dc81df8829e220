/**
 * What must hold for the packets of every trace, whatever was recorded. Runs in
 * the test process.
 */
import { expect } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import type { TraceEvent } from "./babeltrace.ts";
import { type Packet, PACKET_HEADER_BYTES, readPackets, streamFiles } from "./packets.ts";

/** Fails unless the packets of each stream agree with each other, the metadata and the events read. */
export function expectGoodPackets(traceDir: string, events: readonly TraceEvent[]): void {
  const metadata = readFileSync(join(traceDir, "metadata"), "utf8");
  const uuid = /uuid = "([0-9a-f-]+)"/.exec(metadata)?.[1]?.replaceAll("-", "");
  const toNs = clockOf(metadata);
  for (const name of streamFiles(traceDir)) {
    const packets = readPackets(join(traceDir, name));
    expect(name).toStartWith(`thread-${packets[0]?.tid}`);
    expect(packets.map(({ sequence }) => sequence)).toEqual([...packets.keys()]);
    let before: Packet | undefined;
    for (const packet of packets) {
      expect(packet.uuid).toBe(uuid ?? "");
      expect(packet.packetBytes).toBe(packet.contentBytes);
      expect(packet.contentBytes).toBeGreaterThanOrEqual(PACKET_HEADER_BYTES);
      expect(packet.end).toBeGreaterThanOrEqual(packet.begin);
      expect([packet.tid, packet.instance]).toEqual([packets[0]?.tid ?? 0, packets[0]?.instance ?? 0n]);
      if (before) {
        expect(packet.begin).toBe(before.end);
        expect(packet.discarded).toBeGreaterThanOrEqual(before.discarded);
      }
      before = packet;
    }
    expectEventsInPackets(
      packets,
      events.filter(({ tid }) => tid === packets[0]?.tid),
      toNs,
    );
  }
}

/** Each packet has as many events as it says, and their times lie in it. */
function expectEventsInPackets(
  packets: readonly Packet[],
  events: readonly TraceEvent[],
  toNs: (ticks: bigint) => bigint,
): void {
  expect(packets.reduce((sum, { eventCount }) => sum + eventCount, 0)).toBe(events.length);
  let at = 0;
  for (const packet of packets) {
    const begin = toNs(packet.begin) - 1n;
    const end = toNs(packet.end) + 1n;
    for (const event of events.slice(at, at + packet.eventCount)) {
      if (event.eventCount !== packet.eventCount)
        throw new Error(`${event.eventCount} events, says a packet of ${packet.eventCount}`);
      if (event.timeNs < begin || event.timeNs > end)
        throw new Error(`event at ${event.timeNs} outside its packet, ${begin} to ${end}`);
    }
    at += packet.eventCount;
  }
}

/** From ticks of the trace's clock to nanoseconds since 1970. */
function clockOf(metadata: string): (ticks: bigint) => bigint {
  const number = (name: string): bigint => {
    const found = new RegExp(`\\b${name} = +(\\d+);`).exec(metadata)?.[1];
    if (found === undefined) throw new Error(`no ${name} in the metadata`);
    return BigInt(found);
  };
  const frequency = number("freq");
  const base = number("offset_s") * frequency + number("offset");
  return (ticks) => ((base + ticks) * 1_000_000_000n) / frequency;
}
