/**
 * A consumer that is killed at any step of its work, and the one that takes over:
 * the trace is byte for byte that of a consumer that was not killed, the sums too, and
 * the disk has nothing but these bytes. At no step a stream is beyond its limit.
 * One step alone: BUNTRACE_STEP=N, and -t with the name.
 */
import { beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { SessionOptions } from "../../src/index.ts";
import { HEADER_BYTES, readHeader, SESSION_OFFSETS } from "../../src/record/session-file.ts";
import { bytesAhead, streamPaths } from "../support/blocks.ts";
import { buildProgram } from "../support/c-compiler.ts";
import { PACKET_HEADER_BYTES, readPackets, streamFiles } from "../support/packets.ts";
import { Place } from "../support/place.ts";
import { numberFromEnvironment } from "../support/random.ts";
import { abandonedSession, changedCopy, redirect, runConsumer } from "../support/session-files.ts";

setDefaultTimeout(300_000);

const PROGRAM = join(import.meta.dirname, "programs/abandoned.ts");
const ONLY = numberFromEnvironment("BUNTRACE_STEP", 0);

/** What programs/abandoned.ts emits. */
const EMITTED = 2000;

/** Cases at a time. */
const PARALLEL = 2;

const dir = mkdtempSync(join(tmpdir(), "buntrace-takeover-"));
process.on("exit", () => rmSync(dir, { recursive: true, force: true }));
const mortal = join(dir, "mortal");

beforeAll(() => buildProgram(mortal, [join(import.meta.dirname, "mortal-consumer.c")], "none"));

/** What consumers left of a session: files by their paths, and the sums in its header. */
interface Left {
  readonly files: ReadonlyMap<string, string>;
  readonly sums: object;
}

function leftOf(output: string, session: string): Left {
  const files = new Map<string, string>();
  for (const trace of readdirSync(output).sort()) {
    const path = join(output, trace);
    expect(existsSync(join(path, "metadata"))).toBe(true);
    for (const name of streamFiles(path))
      files.set(`${trace}/${name}`, Bun.hash(readFileSync(join(path, name))).toString(16));
  }
  const { finished, recordsWritten, discardedTold, dropped, bytesWritten, streams } = readHeader(
    readFileSync(session).subarray(0, HEADER_BYTES),
  );
  expect(Number(recordsWritten + discardedTold + dropped)).toBe(EMITTED);
  return { files, sums: { finished, recordsWritten, discardedTold, dropped, bytesWritten, streams } };
}

/** Bytes of the largest stream: of all files of its name. */
function mostBytes(output: string): number {
  const streams = Map.groupBy(streamPaths(output), (path) => path.replace(/\.\d+$/, ""));
  return Math.max(
    0,
    ...[...streams.values()].map((paths) => paths.reduce((sum, path) => sum + statSync(path).size, 0)),
  );
}

/** The reference's sums are those of its packets. */
function expectSumsOfPackets(output: string, { sums }: Left): void {
  const paths = streamPaths(output);
  const packets = paths.flatMap(readPackets);
  expect(sums).toMatchObject({
    finished: true,
    recordsWritten: packets.reduce((sum, { eventCount }) => sum + BigInt(eventCount), 0n),
    // A packet without records alone in its file is what dropped ones left behind.
    bytesWritten: paths
      .map((path) => BigInt(statSync(path).size))
      .filter((size) => size > PACKET_HEADER_BYTES)
      .reduce((sum, size) => sum + size, 0n),
  });
}

async function killedEverywhere(session: SessionOptions, allocatesAhead: boolean, text = 50): Promise<void> {
  await using place = new Place();
  let mostAhead = 0;
  const good = await abandonedSession(place, PROGRAM, [String(text)], session);
  /** Runs a consumer that dies at a step, and one after it. @returns whether the first lived. */
  const consumed = async (name: string, diesAt: number): Promise<{ left: Left; lived: boolean }> => {
    const output = join(place.sessionDir, `output-${name}`);
    const path = changedCopy(good, `${name}.session`, (bytes) => {
      redirect(bytes, join(output, "trace"));
      // Its recorder is there: the finished file stays, with the sums.
      bytes.writeUInt32LE(process.pid, SESSION_OFFSETS.recorder);
    });
    const { signal } = await runConsumer(path, mortal, { BUNTRACE_DIES_AT: String(diesAt) });
    if (signal !== null) {
      mostAhead = Math.max(mostAhead, bytesAhead(output));
      expect(mostBytes(output)).toBeLessThanOrEqual(session.maxSize ?? Infinity);
      expect(await runConsumer(path, mortal)).toEqual({ stderr: "", signal: null, status: 0 });
    }
    expect({ "killed at step": diesAt, ahead: bytesAhead(output) }).toEqual({
      "killed at step": diesAt,
      ahead: 0,
    });
    const left = leftOf(output, path);
    if (diesAt === 0) expectSumsOfPackets(output, left);
    rmSync(output, { recursive: true });
    rmSync(path);
    return { left, lived: signal === null };
  };
  const { left: reference } = await consumed("reference", 0);
  expect(reference.files.size).toBeGreaterThan(1);
  let next = ONLY || 1;
  let last = ONLY || Infinity;
  const work = async (): Promise<void> => {
    while (next <= last) {
      const step = next++;
      const { left, lived } = await consumed(String(step), step);
      if (!Bun.deepEquals(left, reference))
        expect({ "killed at step": step, ...left }).toEqual({ "killed at step": step, ...reference });
      if (lived) last = Math.min(last, step);
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, work));
  if (ONLY === 0) expect(mostAhead > 0).toBe(allocatesAhead);
  // Each packet alone has some ten steps.
  if (ONLY === 0) expect(last).toBeGreaterThan(reference.files.size * 20);
}

const SMALL = { subBufferSize: 4096, subBuffers: 12 } as const;

test("killed at every step of writing packets", () => killedEverywhere(SMALL, true));

test("killed at every step of writing rings at the end, in overwrite mode", () =>
  killedEverywhere({ subBufferSize: 4096, subBuffers: 4, mode: "overwrite" }, false));

test("killed at every step of a rotation", () => killedEverywhere({ ...SMALL, rotateSize: 12_000 }, true));

test("killed at every step of dropping the oldest chunk", () =>
  killedEverywhere({ ...SMALL, rotateSize: 12_000, maxChunks: 2 }, true));

test("killed at every step of dropping the oldest of a stream", () =>
  killedEverywhere({ ...SMALL, maxSize: 40_000 }, false));

test("killed at every step of dropping the oldest of a stream, with two packets in some files", () =>
  killedEverywhere({ ...SMALL, subBuffers: 32, maxSize: 60_000 }, false, 100));

test("killed at every step of a stream that stops at its limit", () =>
  killedEverywhere({ ...SMALL, maxSize: 35_000, whenFull: "stop" }, false));
