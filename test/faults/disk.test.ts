/**
 * Full disks: the program goes on untouched, what does not fit is counted to the
 * last event, writing goes on when there is room, and the trace can be read at any
 * time. Also a session directory with too little memory.
 */
import { expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";

import { readIncomplete, readReport } from "../support/babeltrace.ts";
import { canMount, UNSHARE, withTmpfs } from "../support/mounts.ts";
import { CLI } from "../support/cli.ts";
import { expectGoodPackets } from "../support/packet-rules.ts";
import { onlyTrace } from "../support/packets.ts";
import { Place } from "../support/place.ts";
import { consumersOf } from "../support/processes.ts";
import { ended, start } from "../support/run.ts";
import { Obedient } from "./obedient.ts";

setDefaultTimeout(120_000);

const PROGRAMS = join(import.meta.dirname, "programs");
const SMALL = { subBufferSize: 8192, subBuffers: 3, flushPeriod: 20 } as const;

/** A place with a directory to mount on, and one for what is copied from it. */
function prepare(place: Place): { mountPoint: string; kept: string } {
  const mountPoint = join(place.dir, "disk");
  const kept = join(place.dir, "kept");
  for (const dir of [mountPoint, kept]) mkdirSync(dir);
  return { mountPoint, kept };
}

test.concurrent.each([
  ["one file a thread", {}],
  ["chunks", { rotateSize: 16_384 }],
  ["at most two chunks", { rotateSize: 150_000, maxChunks: 2 }],
] as const)(
  "a disk that is full and gets room again, %s: every loss counted, writing goes on",
  async (_, limits) => {
    if (!canMount()) return;
    await using place = new Place();
    const { mountPoint, kept } = prepare(place);
    const result = await ended(
      start(place, join(PROGRAMS, "disk.ts"), {
        args: [mountPoint, "make room"],
        session: { ...SMALL, ...limits, output: mountPoint },
        wrap: withTmpfs(place, mountPoint, "200k", kept),
      }),
    );
    expect([result.stderr, result.status]).toEqual(["", 0]);
    const { emitted, last, dropped, writeErrno } = JSON.parse(result.stdout) as Record<string, number>;
    const { events, discarded, lostPackets } = await readIncomplete(kept);
    expect(writeErrno).toBe(0);
    expect(events.length + discarded + (dropped ?? 0)).toBe(emitted ?? 0);
    expect(lostPackets > 0).toBe(dropped !== 0);
    expect(discarded).toBeGreaterThan(10_000);
    const numbers = events.map(({ fields }) => Number(fields["n"]));
    expect(numbers.every((n, i) => i === 0 || n > (numbers[i - 1] ?? 0))).toBe(true);
    // The ten at the end, emitted into empty rings, are all there.
    expect(numbers.slice(-10)).toEqual(Array.from({ length: 10 }, (_, i) => (last ?? 0) + i));
    if (!("rotateSize" in limits)) expectGoodPackets(onlyTrace(kept), events);
  },
);

test("a limit on the size of the consumer's files is a disk that is full: it lives, and goes on without it", async () => {
  await using place = new Place();
  const program = new Obedient(place, SMALL);
  await program.tell("emit 100");
  await program.tell("flush");
  const [consumer = 0] = consumersOf(place.sessionDir);
  const limit = (bytes: string): void => {
    const { exitCode, stderr } = Bun.spawnSync(["prlimit", "--pid", String(consumer), `--fsize=${bytes}:`]);
    if (exitCode !== 0) throw new Error(stderr.toString());
  };
  limit("2000");
  await program.tell("emit 20000");
  await program.until("the limit to be met", ({ writeErrno }) => writeErrno === constants.errno.EFBIG);
  limit("unlimited");
  await program.until("the recording to go on", ({ writeErrno }) => writeErrno === 0);
  await program.tell("emit 10");
  const { emitted, recorded, discarded } = await program.tell("flush");
  expect(consumersOf(place.sessionDir)).toEqual([consumer]);
  expect([emitted, recorded + discarded]).toEqual([20_110, 20_110]);
  expect(discarded).toBeGreaterThan(10_000);
  expect(await program.end()).toBe("");
  await place.recorded();
  const read = await readReport(place.output);
  expect([read.events.length, read.discarded]).toEqual([recorded, discarded]);
});

test.concurrent(
  "a program that dies with its disk full: what is on it can be read, the rest stays for recovery",
  async () => {
    if (!canMount()) return;
    await using place = new Place();
    const { mountPoint, kept } = prepare(place);
    const result = await ended(
      start(place, join(PROGRAMS, "disk.ts"), {
        args: [mountPoint],
        session: { ...SMALL, output: mountPoint },
        wrap: withTmpfs(place, mountPoint, "200k", kept),
      }),
    );
    expect([result.stderr, result.status]).toEqual(["", 0]);
    const { events } = await readReport(kept);
    const numbers = events.map(({ fields }) => Number(fields["n"]));
    expect(numbers.length).toBeGreaterThan(100);
    expect(numbers.every((n, i) => i === 0 || n > (numbers[i - 1] ?? 0))).toBe(true);
    // The consumer has given up after its time of grace and left the session file.
    expect(place.sessions().length).toBe(1);
  },
);

test.concurrent(
  "the recorder's last line counts what a full disk took, and recover writes what it kept",
  async () => {
    if (!canMount()) return;
    await using place = new Place();
    const { mountPoint, kept } = prepare(place);
    const emitted = 1_000_000;
    writeFileSync(
      join(place.dir, "app.ts"),
      `import { provider } from ${JSON.stringify(join(import.meta.dirname, "../../src/index.ts"))};
    const event = provider("test").tracepoint("event", [["n", "u32"]]);
    for (let n = 0; n < ${emitted}; n++) event(n);`,
    );
    const script = `
    mount -t tmpfs -o size=1m,mode=700 tmpfs "$1" || exit 99
    "$3" "$4" record -e 'test:*' -o "$1/trace" app.ts || exit 98
    mount -o remount,size=64m "$1"
    "$3" "$4" recover
    cp -r "$1"/. "$2"/`;
    const { stdout, stderr, status } = await ended(
      Bun.spawn([...UNSHARE, "sh", "-c", script, "sh", mountPoint, kept, process.execPath, CLI], {
        cwd: place.dir,
        env: { ...process.env, BUNTRACE_SESSION_DIR: place.sessionDir },
        stdin: "ignore",
        stdout: "pipe",
        stderr: "pipe",
      }),
    );
    expect(status).toBe(0);
    const told =
      /^buntrace: ([\d,]+) events, .* ([\d,]+) lost -> .*; ([\d,]+) events could not be written: no space left on device; buntrace recover (\d+) writes them when they can be\n/.exec(
        stderr,
      );
    if (told === null) throw new Error(stderr);
    const [written = 0, lost = 0, left = 0, pid] = told
      .slice(1)
      .map((text) => Number(text.replaceAll(",", "")));
    expect(written + lost + left).toBe(emitted);
    expect(stdout + stderr).toContain(`app (pid ${pid}) recovered`);
    const { events, discarded } = await readReport(kept);
    expect([events.length, discarded]).toEqual([written + left, lost]);
  },
);

test("too little memory for a ring: the program runs, and every event is counted", async () => {
  if (!canMount()) return;
  await using place = new Place();
  const { stdout, stderr, status } = await ended(
    start(place, join(PROGRAMS, "no-memory.ts"), {
      session: { subBufferSize: 262144 },
      wrap: withTmpfs(place, place.sessionDir, "128k"),
    }),
  );
  expect([stderr, status]).toEqual(["", 0]);
  expect(JSON.parse(stdout)).toEqual({ emitted: 1000, ringlessDiscarded: 1000 });
  expect((await readReport(place.output)).events).toEqual([]);
});

test("too little memory for the whole of a ring: what fits is recorded, the rest counted", async () => {
  if (!canMount()) return;
  await using place = new Place();
  const { stdout, stderr, status } = await ended(
    start(place, join(PROGRAMS, "no-memory.ts"), {
      args: ["60000"],
      session: { subBufferSize: 65536, subBuffers: 8 },
      wrap: withTmpfs(place, place.sessionDir, "256k"),
    }),
  );
  expect([stderr, status]).toEqual(["", 0]);
  expect(JSON.parse(stdout)).toEqual({ emitted: 60_000, ringlessDiscarded: 0 });
  const { events, discarded } = await readReport(place.output);
  expect(events.length + discarded).toBe(60_000);
  // Records of 8 bytes: at least two sub-buffers of them, and not all.
  expect(events.length).toBeGreaterThan(16_000);
  expect(discarded).toBeGreaterThan(0);
  expect(events.map(({ fields }) => fields["n"])).toEqual(events.map((_, n) => n));
});

test("no memory for the session file itself: one line, nothing left, the program runs", async () => {
  if (!canMount()) return;
  await using place = new Place();
  const { stdout, stderr, status } = await ended(
    start(place, join(PROGRAMS, "no-memory.ts"), { wrap: withTmpfs(place, place.sessionDir, "8k") }),
  );
  expect(stderr).toMatch(
    /^buntrace: session file \S+ cannot be made: No space left on device; name a directory with room with --session-dir; nothing is recorded\n$/,
  );
  expect([JSON.parse(stdout), status]).toEqual([{ emitted: 1000, ringlessDiscarded: -1 }, 0]);
  expect(readdirSync(place.output)).toEqual([]);
});
