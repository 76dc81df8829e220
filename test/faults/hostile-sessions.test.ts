/**
 * A session directory full of hostile files, and the real commands on it: `list`,
 * `snapshot`, `enable`, `flush`, `stop` and `recover` end with status 0 or 1 and say
 * what is wrong in lines, never by a signal or a stack trace. test/shim/session-fuzz
 * does it a hundred thousand times, to the C side alone.
 */
import { expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { HEADER_BYTES, SESSION_OFFSETS } from "../../src/record/session-file.ts";
import { cli } from "../support/cli.ts";
import { Place } from "../support/place.ts";
import { numberFromEnvironment, type Random, runCases } from "../support/random.ts";
import { abandonedSession, redirect } from "../support/session-files.ts";

setDefaultTimeout(600_000);

const FILE = "test/faults/hostile-sessions.test.ts";
const PROGRAMS = join(import.meta.dirname, "programs");
const BATCHES = numberFromEnvironment("BUNTRACE_HOSTILE_BATCHES", 4);
const FILES = 60;

/** Above the largest pid that Linux gives out: a program that is gone. */
const NO_PID = 2 ** 23;

const AT = SESSION_OFFSETS;
const GEOMETRY = { subBufferSize: 4096, subBuffers: 4 };

/** A ring's control block and its sub-buffers. */
const RING_BYTES = 4096 + GEOMETRY.subBufferSize * GEOMETRY.subBuffers;

/** Changes what was a good session. */
function damage(random: Random, bytes: Buffer): Buffer {
  const kind = random.below(8);
  if (kind === 0) return bytes.subarray(0, random.below(bytes.length));
  if (kind === 1) return Buffer.from(Array.from({ length: random.below(9000) }, () => random.below(256)));
  const ring = bytes.length - RING_BYTES;
  for (let i = random.between(1, 8); i > 0; i--) {
    const at = (random.below(2) === 0 ? random.below(3520) : ring + random.below(600)) & ~7;
    // It goes on writing where it may, for a process that is not there.
    if (at <= AT.process_start || (at >= AT.trace_dir && at < AT.consumer_path)) continue;
    const extremes = [0n, 1n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 63n, 2n ** 64n - 1n, 4095n] as const;
    bytes.writeBigUInt64LE(random.pick([...extremes, BigInt(random.u32()) << 32n]), at);
  }
  if (kind === 2) bytes.fill(0x1b, AT.program, AT.program + 20);
  return bytes;
}

async function mkfifo(path: string): Promise<void> {
  expect(await Bun.spawn(["mkfifo", path]).exited).toBe(0);
}

test(`${BATCHES * FILES} hostile session files, seen by the commands`, async () => {
  await using origin = new Place();
  const endings = join(PROGRAMS, "endings.ts");
  const good = readFileSync(await abandonedSession(origin, endings, ["SIGKILL", "500"], GEOMETRY));
  await runCases(FILE, BATCHES, 2, async (random) => {
    await using place = new Place();
    for (let i = 0; i < FILES; i++) {
      const bytes = Buffer.from(good);
      const trace = join(place.dir, `trace-${i}`);
      redirect(bytes, trace);
      bytes.writeUInt32LE(NO_PID + i, AT.pid);
      // What the header calls a trace may hold pipes, links and directories.
      const name = join(trace, random.pick(["metadata", "thread-1"]));
      rmSync(name, { force: true });
      if (i % 6 === 0) await mkfifo(name);
      else if (i % 6 === 1) symlinkSync("/dev/zero", name);
      else if (i % 6 === 2) mkdirSync(name);
      writeFileSync(join(place.sessionDir, `${NO_PID + i}-x.session`), damage(random, bytes), {
        mode: 0o600,
      });
    }
    await mkfifo(join(place.sessionDir, "1-pipe.session"));
    symlinkSync("/dev/zero", join(place.sessionDir, "2-link.session"));
    mkdirSync(join(place.sessionDir, "3-dir.session"));
    const ends = async (...args: string[]): Promise<string> => {
      const { status, signal, stdout, stderr } = await cli(place, args);
      expect([args, signal, stderr.includes("\n    at ")]).toEqual([args, null, false]);
      expect([0, 1]).toContain(status ?? -1);
      return stdout;
    };
    expect(await ends("list")).not.toContain("\x1b");
    await ends("list", "--json");
    for (let i = 0; i < FILES; i += 4) {
      const pid = String(NO_PID + i);
      await ends("snapshot", pid, "-o", `snapshot-${i}`);
      await ends(
        ...random.pick([
          ["flush", pid],
          ["stop", pid],
          ["enable", pid, "*"],
          ["disable", pid, "*"],
        ]),
      );
    }
    await ends("recover");
  });
});

test("a good header and nothing behind it is no session", async () => {
  await using place = new Place();
  const endings = join(PROGRAMS, "endings.ts");
  const path = await abandonedSession(place, endings, ["SIGKILL", "1"], GEOMETRY);
  writeFileSync(path, readFileSync(path).subarray(0, HEADER_BYTES));
  const { status, stderr } = await cli(place, ["recover"]);
  expect([status, stderr]).toEqual([1, expect.stringContaining("not a session file: too short")]);
});
