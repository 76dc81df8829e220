/**
 * Session files that are none, of another version, cut short, damaged at random, or
 * left by a program that died together with its consumer: the consumer says in one
 * line what is wrong, or writes what is there, and never more than that.
 */
import { expect, setDefaultTimeout, test } from "bun:test";
import {
  appendFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { join } from "node:path";

import { openSession } from "../../src/index.ts";
import { HEADER_BYTES, SESSION_OFFSETS } from "../../src/record/session-file.ts";
import { readTrace } from "../support/babeltrace.ts";
import { cli } from "../support/cli.ts";
import { onlyTrace, streamFiles } from "../support/packets.ts";
import { Place } from "../support/place.ts";
import { consumersOf, isAlive } from "../support/processes.ts";
import { numberFromEnvironment, runCases } from "../support/random.ts";
import { start } from "../support/run.ts";
import { abandonedSession, changedCopy, redirect, runConsumer } from "../support/session-files.ts";

setDefaultTimeout(300_000);

/** Field 22 of /proc/PID/stat. */
function startOf(pid: number): bigint {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  return BigInt(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "");
}

const PROGRAMS = join(import.meta.dirname, "programs");
const AT = SESSION_OFFSETS;

const BAD: readonly (readonly [name: string, says: string, change: (bytes: Buffer) => Buffer | void])[] = [
  ["empty", "not a session file: too short", () => Buffer.alloc(0)],
  ["a header alone", "not a session file: too short", (bytes) => bytes.subarray(0, HEADER_BYTES)],
  ["zeros", "not a session file", (bytes) => void bytes.fill(0)],
  ["other magic", "not a session file", (bytes) => void bytes.write("BUNTRACK")],
  [
    "another version",
    "a session file of another version",
    (bytes) => void bytes.writeUInt32LE(99, AT.version),
  ],
  [
    "one sub-buffer",
    "a damaged session file: impossible sub-buffers",
    (bytes) => void bytes.writeUInt32LE(1, AT.sub_buffers),
  ],
  [
    "a sub-buffer beyond all memory",
    "a damaged session file: impossible sub-buffers",
    (bytes) => void bytes.writeBigUInt64LE(2n ** 40n, AT.sub_buffer_size),
  ],
  [
    "an unknown mode",
    "a damaged session file: impossible mode",
    (bytes) => void bytes.writeUInt32LE(7, AT.mode),
  ],
  [
    "a relative trace directory",
    "a damaged session file: no trace directory",
    (bytes) => void bytes.write("x", AT.trace_dir),
  ],
  [
    "a trace directory without end",
    "a damaged session file: no trace directory",
    (bytes) => void bytes.fill("/", AT.trace_dir, AT.consumer_path),
  ],
];

test("what is no good session file: one line and status 1", async () => {
  await using place = new Place();
  const good = await abandonedSession(place, join(PROGRAMS, "endings.ts"), ["SIGKILL", "100"], {});
  for (const [name, says, change] of BAD) {
    const path = changedCopy(good, "bad", change);
    expect<object>({ name, ...(await runConsumer(path)) }).toEqual({
      name,
      status: 1,
      signal: null,
      stderr: `buntrace-consumer: ${path}: ${says}\n`,
    });
    // It is not the consumer's to remove.
    expect(existsSync(path)).toBe(true);
  }
  const dir = join(place.sessionDir, "dir");
  const link = join(place.sessionDir, "link");
  const second = join(place.sessionDir, "second");
  mkdirSync(dir);
  symlinkSync(good, link);
  linkSync(good, second);
  for (const [path, says] of [
    [dir, /Is a directory|not a session file/],
    [link, /[Ss]ymbolic link/],
    [second, /it has a second name/],
    [join(place.sessionDir, "none"), /No such file or directory/],
  ] as const) {
    const { status, stderr } = await runConsumer(path);
    expect([path, status, stderr.split("\n").length]).toEqual([path, 1, 2]);
    expect(stderr).toMatch(says);
  }
  rmSync(second);
  // And the good one is still good.
  expect((await runConsumer(good)).status).toBe(0);
  expect((await readTrace(place.output)).length).toBe(100);
});

test("program and consumer dead: a consumer started later writes everything", async () => {
  await using place = new Place();
  const session = { subBufferSize: 65536, subBuffers: 4 };
  const path = await abandonedSession(place, join(PROGRAMS, "endings.ts"), ["SIGKILL", "5000"], session);
  expect(streamFiles(onlyTrace(place.output))).toEqual([]);
  expect(await runConsumer(path)).toEqual({ status: 0, signal: null, stderr: "" });
  expect(place.sessions()).toEqual([]);
  const events = await readTrace(place.output);
  expect(events.map(({ fields }) => fields["n"])).toEqual(Array.from({ length: 5000 }, (_, n) => n));
});

test.each([
  ["the consumer's id", "consumer_lock", {}],
  ["the program's id", "pid", {}],
  ["the program's id, without pidfd,", "pid", { BUNTRACE_NO_PIDFD: "1" }],
] as const)(
  "%s is that of another process by now, which lives: the session is written to its end",
  async (_, field, env) => {
    await using place = new Place();
    const good = await abandonedSession(place, join(PROGRAMS, "endings.ts"), ["SIGKILL", "100"], {});
    const path = changedCopy(good, "reused", (bytes) => void bytes.writeUInt32LE(process.pid, AT[field]));
    expect(await runConsumer(path, undefined, env)).toEqual({ status: 0, signal: null, stderr: "" });
    expect((await readTrace(place.output)).length).toBe(100);
  },
  20_000,
);

test("half a declaration, of a program killed while it wrote it, is cut off", async () => {
  for (const way of ["SIGKILL", "silent"]) {
    await using place = new Place();
    // The second program emits nothing: its metadata is a head alone.
    const path = await abandonedSession(
      place,
      join(PROGRAMS, "endings.ts"),
      ["SIGKILL", way === "silent" ? "0" : "9"],
      {
        enable: way === "silent" ? ["none:*"] : ["test:*"],
      },
    );
    const metadata = join(onlyTrace(place.output), "metadata");
    const before = statSync(metadata).size;
    appendFileSync(metadata, '\nevent {\n\tname = "test:half";\n\tid = 7');
    expect((await runConsumer(path)).status).toBe(0);
    expect(statSync(metadata).size).toBe(before);
    expect((await readTrace(place.output)).length).toBe(way === "silent" ? 0 : 9);
  }
});

test("a session file cut off behind its header: what is left of it is no reason to crash", async () => {
  await using place = new Place();
  const session = { subBufferSize: 4096, subBuffers: 4 };
  const good = await abandonedSession(place, join(PROGRAMS, "endings.ts"), ["SIGKILL", "100"], session);
  const path = changedCopy(good, "cut", (bytes) => bytes.subarray(0, bytes.length - 8192));
  const { signal, stderr } = await runConsumer(path);
  expect(signal).toBeNull();
  expect(stderr.split("\n").length).toBeLessThanOrEqual(2);
});

const DAMAGED = numberFromEnvironment("BUNTRACE_DAMAGED", 100);

test(`session files damaged at random, ${DAMAGED} times: an end, no signal, no file elsewhere`, async () => {
  await using place = new Place();
  const session = { subBufferSize: 4096, subBuffers: 4 };
  const good = await abandonedSession(place, join(PROGRAMS, "endings.ts"), ["SIGKILL", "500"], session);
  await runCases("test/faults/session-files.test.ts", DAMAGED, 4, async (random, index) => {
    const trace = join(place.dir, `trace-${index}`);
    const path = changedCopy(good, `damaged-${index}`, (bytes) => {
      redirect(bytes, trace);
      for (let i = random.between(1, 8); i > 0; i--) {
        // The header, or the ring's control block behind the event table.
        const ring = bytes.length - (4096 + session.subBufferSize * session.subBuffers);
        const at = random.below(2) === 0 ? random.below(3664) : ring + random.below(4096);
        // Not where it writes to, and not whose death it waits for.
        if (at >= AT.pid && at < AT.pid + 12) continue;
        if (at >= AT.trace_dir && at < AT.consumer_path) continue;
        bytes[at] = random.below(2) === 0 ? random.below(256) : (bytes[at] ?? 0) ^ (1 << random.below(8));
      }
    });
    const { signal, status } = await runConsumer(path);
    expect(signal).toBeNull();
    expect([0, 1]).toContain(status ?? -1);
    rmSync(path, { force: true });
    for (const name of streamFiles(trace)) expect(name).toMatch(/^thread-\d+-\d+(\.\d+)?$/);
  });
});

test("a session file of this process's id signals nobody but its own consumer, whatever it names", async () => {
  await using place = new Place();
  const session = { flushPeriod: 60_000 };
  await using program = start(place, join(PROGRAMS, "states.ts"), { args: ["idle"], session });
  await program.stdout.getReader().read();
  const [consumer = 0] = consumersOf(place.sessionDir);
  const [name = ""] = place.sessions();
  await using bystander = Bun.spawn(["sleep", "1000"]);
  const path = join(place.sessionDir, name);
  const claim = (file: string, change: (bytes: Buffer) => void): string =>
    changedCopy(path, `${process.pid}-${file}.session`, (bytes) => {
      bytes.writeUInt32LE(process.pid, AT.pid);
      change(bytes);
    });
  // Another life of this id, in which the consumer that lives was its own.
  claim("other-life", () => {});
  // This life, and a consumer whose id is somebody else's by now.
  const own = claim("this-life", (bytes) => {
    bytes.writeBigUInt64LE(startOf(process.pid), AT.process_start);
    bytes.writeUInt32LE(bystander.pid, AT.consumer_lock);
  });
  for (const command of ["stop", "flush"]) {
    const { stderr, status } = await cli(place, [command, String(process.pid)]);
    expect([stderr, status]).toEqual([
      `buntrace: ${own}: its consumer died; the next full sub-buffer starts another\n`,
      1,
    ]);
  }
  const ours = await openSession({ output: join(place.dir, "own"), sessionDir: place.sessionDir });
  await ours.close();
  expect([isAlive(bystander.pid), consumersOf(place.sessionDir)]).toEqual([true, [consumer]]);
});
