/**
 * How much of a trace a stream's limit keeps, from the least that it may be upwards: at
 * any time never more than the limit, and, once something was dropped, eleven twelfths of
 * it less a packet, or 84 % where all packets are whole, whatever the limit is to their size. One case alone: -t
 * with its name, and BUNTRACE_SEED.
 */
import { expect, setDefaultTimeout, test } from "bun:test";
import { statSync } from "node:fs";
import { join } from "node:path";

import { openSession, provider, type Session } from "../../src/index.ts";
import { PACKET_HEADER_BYTES, readPackets, streamFiles } from "../support/packets.ts";
import { Place } from "../support/place.ts";
import { Random, seed } from "../support/random.ts";

setDefaultTimeout(120_000);

/** Eight bytes: a sub-buffer is filled to its end. */
const small = provider("test").tracepoint("kept", [["n", "u32"]]);
const RECORD_BYTES = 8;

/** Limits in sub-buffers: the least there is, some between, and powers of two, which whole packets just miss. */
const LIMITS = [8.5, 9, 9.2, 9.9, 11.9, 12, 13.3, 16, 20.5, 25.6, 32, 64, 100] as const;

/** So many times the limit is emitted. */
const TIMES = 4;

const CASES = [4096, 16_384].flatMap((subBufferSize) =>
  LIMITS.flatMap((limit) =>
    ["whole packets", "flushed at times"].map(
      (packets) => [packets, subBufferSize, Math.floor(limit * subBufferSize)] as const,
    ),
  ),
);

/** What is in the trace, told by the consumer after a packet. */
function keptNow(session: Session): { bytes: number; dropped: bigint } {
  const info = session.info();
  if (!info) throw new Error("no session");
  return { bytes: Number(info.bytesWritten), dropped: info.dropped };
}

test.each(CASES)("%s, sub-buffers of %d bytes, a limit of %d", async (packets, subBufferSize, maxSize) => {
  await using place = new Place();
  const { output, sessionDir } = place;
  const random = new Random(seed(), maxSize);
  const session = await openSession({
    output,
    sessionDir,
    enable: ["test:kept"],
    mode: "block",
    blockTimeout: 60_000,
    flushPeriod: 60_000,
    subBuffers: 2,
    subBufferSize,
    maxSize,
  });
  const packetBytes = subBufferSize + PACKET_HEADER_BYTES;
  // Half a packet: the consumer is looked at after each.
  const step = subBufferSize / RECORD_BYTES / 2;
  let least = maxSize;
  let most = 0;
  try {
    for (let bytes = 0; bytes < TIMES * maxSize; bytes += step * RECORD_BYTES) {
      for (let n = 0; n < step; n++) small(n);
      if (packets === "flushed at times" && random.below(3) === 0) await session.flush();
      const now = keptNow(session);
      most = Math.max(most, now.bytes);
      if (now.dropped > 0n) least = Math.min(least, now.bytes);
    }
    await session.flush();
    const { bytes } = keptNow(session);
    const files = streamFiles(session.traceDir ?? "").map((name) => join(session.traceDir ?? "", name));
    const onDisk = files.reduce((sum, path) => sum + statSync(path).size, 0);
    // What the consumer tells is what there is, and the first packet of all.
    expect(onDisk).toBe(bytes + PACKET_HEADER_BYTES);
    expect(onDisk).toBeLessThanOrEqual(maxSize);
    for (const path of files) expect(readPackets(path).length).toBeGreaterThan(0);
  } finally {
    await session.close();
  }
  // The first packet is beside what is told.
  expect(most).toBeLessThanOrEqual(maxSize - PACKET_HEADER_BYTES);
  expect(least).toBeGreaterThanOrEqual((maxSize * 11) / 12 - packetBytes - PACKET_HEADER_BYTES);
  if (packets === "whole packets") expect(least).toBeGreaterThanOrEqual(maxSize * 0.84);
  expect(least).toBeLessThan(maxSize);
});
