/**
 * The session file is one layout in three programs: the offsets that TypeScript
 * knows are those that session.h asserts, and a header written here is read alike.
 */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import {
  addRule,
  ENABLED_AT,
  GEOMETRY,
  HEADER_BYTES,
  MAX_EVENTS,
  newHeader,
  readHeader,
  readRules,
  RING_OFFSETS,
  ringCounters,
  SESSION_OFFSETS,
  SESSION_VERSION,
} from "../../src/record/session-file.ts";

const SESSION_H = readFileSync(join(import.meta.dirname, "../../shim/session.h"), "utf8");

/** The number of a `#define`. */
function defined(name: string): number {
  const text = new RegExp(`^#define ${name} \\(?(1u << )?(\\d+)u?`, "m").exec(SESSION_H);
  if (!text) throw new Error(`session.h defines no ${name}`);
  return text[1] === undefined ? Number(text[2]) : 2 ** Number(text[2]);
}

test("the offsets are those of session.h", () => {
  const asserted = Object.fromEntries(
    [...SESSION_H.matchAll(/^BT_OFFSET\(bt_session, (\w+), (\d+)\);/gm)].map(([, field, at]) => [
      field,
      Number(at),
    ]),
  );
  expect(Object.keys(asserted).length).toBeGreaterThan(30);
  expect<Record<string, number>>({ ...SESSION_OFFSETS }).toEqual(asserted);
});

test("the sizes and limits are those of session.h", () => {
  expect<object>({
    version: SESSION_VERSION,
    header: HEADER_BYTES,
    enabledAt: ENABLED_AT,
    maxEvents: MAX_EVENTS,
    geometry: { ...GEOMETRY },
  }).toEqual({
    version: defined("BT_VERSION"),
    header: defined("BT_PAGE"),
    enabledAt: defined("BT_ENABLED_AT"),
    maxEvents: defined("BT_MAX_EVENTS"),
    geometry: {
      minSubBufferBytes: defined("BT_MIN_SUB_BUFFER_SIZE"),
      minSubBuffers: defined("BT_MIN_SUB_BUFFERS"),
      maxSubBuffers: defined("BT_MAX_SUB_BUFFERS"),
      maxRingBytes: defined("BT_MAX_RING_SIZE"),
      threadNameBytes: defined("BT_THREAD_NAME_SIZE"),
      maxChunks: defined("BT_MAX_CHUNKS"),
    },
  });
});

const NEW = {
  mode: "block",
  clock: "monotonic",
  toDisk: true,
  subBuffers: 4,
  subBufferBytes: 8192,
  flushPeriodMs: 250,
  blockTimeoutMs: 10,
  uuid: new Uint8Array(16).fill(7),
  program: "prögram",
  consumerPath: "/usr/lib/consumer",
  enable: ["a:*", "b:*@error"],
  recorder: 0,
  limits: { maxSize: 0, whenFull: "stop", rotateSize: 0, rotatePeriod: 0, maxChunks: 0 },
} as const;

test("a header is read as it was written", () => {
  expect(readHeader(newHeader(NEW))).toMatchObject({
    pid: process.pid,
    mode: "block",
    program: "prögram",
    enable: ["a:*", "b:*@error"],
    finished: false,
    consumerPid: 0,
    recordsWritten: 0n,
    dropped: 0n,
    chunk: 0,
  });
});

test("periods and sizes of more than 32 bits", () => {
  const day = 86_400_000;
  const header = newHeader({ ...NEW, flushPeriodMs: day, blockTimeoutMs: day });
  for (const at of [SESSION_OFFSETS.flush_period_ns, SESSION_OFFSETS.block_timeout_ns])
    expect(header.readBigUInt64LE(at)).toBe(86_400_000_000_000n);
});

test("what is no header of this version is refused", () => {
  const header = newHeader(NEW);
  expect(() => readHeader(header.subarray(0, HEADER_BYTES - 1))).toThrow("not a session file");
  expect(() => readHeader(Buffer.alloc(HEADER_BYTES))).toThrow("not a session file");
  const other = Buffer.from(header);
  other.writeUInt32LE(SESSION_VERSION + 1, SESSION_OFFSETS.version);
  expect(() => readHeader(other)).toThrow(
    `a session file of version ${SESSION_VERSION + 1}; this buntrace reads version ${SESSION_VERSION}`,
  );
  const mode = Buffer.from(header);
  mode.writeUInt32LE(9, SESSION_OFFSETS.mode);
  expect(() => readHeader(mode)).toThrow("a damaged session file: impossible mode");
  const endless = Buffer.from(header);
  endless.fill(120, SESSION_OFFSETS.trace_dir);
  expect(() => readHeader(endless)).toThrow("a damaged session file");
});

test("texts that do not fit are refused", () => {
  const path = `/${"x".repeat(1023)}`;
  expect(
    readHeader(newHeader({ ...NEW, program: "p".repeat(200), consumerPath: path.slice(0, -1) })).program,
  ).toBe("p".repeat(100));
  expect(() => newHeader({ ...NEW, consumerPath: path })).toThrow(
    /^consumer_path .* is longer than 1023 bytes$/,
  );
});

test("rules: a first one says that the rest is as before; the same glob is there once", () => {
  const header = newHeader({ ...NEW, enable: [] });
  const add = (rule: string): void => void addRule(header, rule).copy(header, SESSION_OFFSETS.enable);
  add("!test:*");
  expect(readRules(header)).toEqual(["*", "!test:*"]);
  // More often than there is room for.
  for (let i = 0; i < 1000; i++) add(i % 2 === 0 ? "test:*" : "!test:*");
  expect(readRules(header)).toEqual(["*", "!test:*"]);
  expect(() => {
    for (let i = 0; i < 1000; i++) add(`test:event_${i}`);
  }).toThrow("there is no room for another rule in the session; use wider globs");
  expect(readRules(header).at(-1)).toMatch(/^test:event_\d+$/);
});

test("a ring's counters: what packets have not told yet, of an owner that is there or leaves", () => {
  const at = RING_OFFSETS;
  const ring = Buffer.alloc(4096);
  const counters = (state: number, recorded: bigint, told: bigint): ReturnType<typeof ringCounters> => {
    ring.writeUInt32LE(state, at.state);
    ring.writeBigUInt64LE(told, at.progress + 16);
    ring.writeBigUInt64LE(recorded, at.progress + 24);
    return ringCounters(ring);
  };
  // The count of records wraps at 2^31 there, and 33 bits of position lie below.
  ring.writeBigUInt64LE((5n << 33n) | 12345n, at.published);
  ring.writeBigUInt64LE(7n, at.discarded);
  expect(counters(2, 3n, 7n)).toEqual({ active: true, pendingRecords: 2, pendingDiscarded: 0 });
  expect(counters(3, 2n ** 31n - 1n, 3n)).toEqual({ active: false, pendingRecords: 6, pendingDiscarded: 4 });
  expect(counters(2, 2n ** 33n + 5n, 0n)).toEqual({ active: true, pendingRecords: 0, pendingDiscarded: 7 });
  // Seen between two stores: never below zero.
  expect(counters(2, 5n, 9n)).toEqual({ active: true, pendingRecords: 0, pendingDiscarded: 0 });
  for (const free of [0, 1])
    expect(counters(free, 0n, 0n)).toEqual({ active: false, pendingRecords: 0, pendingDiscarded: 0 });
});
