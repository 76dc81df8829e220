/**
 * The session file is one layout in three programs: the offsets that TypeScript
 * knows are those that session.h asserts, and a header written here is read alike.
 */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import {
  ENABLED_AT,
  GEOMETRY,
  HEADER_BYTES,
  MAX_EVENTS,
  newHeader,
  readHeader,
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
  const path = `/${"x".repeat(2000)}`;
  expect(() => newHeader({ ...NEW, consumerPath: path })).toThrow(
    /^consumer_path .* is longer than 1023 bytes$/,
  );
});
