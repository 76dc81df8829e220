/**
 * The commands that steer running programs, as an operator uses them: each acts on a
 * program that emits all the while, which must not notice.
 */
import { expect, test } from "bun:test";
import { rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { sessionTable } from "../../src/commands/session-table.ts";
import { SESSION_OFFSETS } from "../../src/record/session-file.ts";
import { readReport } from "../support/babeltrace.ts";
import { cli, startCli } from "../support/cli.ts";
import { Place } from "../support/place.ts";
import { consumersOf, waitFor } from "../support/processes.ts";
import { abandonedSession, changedCopy } from "../support/session-files.ts";
import { gapless, LIBRARY, listed, numbers, pause, steady } from "./steady.ts";

test("list shows a live session and its counters, and nothing when there is none", async () => {
  await using place = new Place();
  expect((await cli(place, ["list"])).stdout).toBe("no program is being recorded\n");
  const program = await steady(place);
  await pause(program);
  const first = await listed(place, program.pid);
  expect(first).toMatchObject({
    program: "steady",
    mode: "discard",
    state: "live",
    threads: 1,
    discarded: 0,
  });
  await pause(program);
  const second = await listed(place, program.pid);
  expect(Number(second["events"])).toBeGreaterThan(Number(first["events"]));
  expect((await cli(place, ["list"])).stdout).toMatch(
    /^PID +PROGRAM +MODE.*\n\d+ +steady +discard +live +1 /,
  );
  await program.end();
});

test("disable and enable act on the running program, with levels, and on types declared later", async () => {
  await using place = new Place();
  const program = await steady(place);
  const off = await cli(place, ["disable", program.pid, "test:*"]);
  expect(off.stderr).toBe(`buntrace: 2 event types switched off in ${program.pid}\n`);
  await pause(program); // test:late is declared now: off by the same rule
  const on = await cli(place, ["enable", program.pid, "test:*@info"]);
  expect(on.stderr).toBe(`buntrace: 2 event types switched on in ${program.pid}\n`);
  await pause(program);
  const emitted = await program.end();
  const output = join(place.dir, "buntrace.data");
  const [a, b, late] = [
    await numbers(output, "test:a"),
    await numbers(output, "test:b"),
    await numbers(output, "test:late"),
  ];
  // b (debug) up to the switch, a before it and after, nothing doubled.
  expect(gapless(b)).toBe(true);
  expect(b.length).toBeLessThan(emitted);
  const gap = a.findIndex((n, i) => n !== i);
  expect(gap).toBeGreaterThanOrEqual(0);
  expect(gapless(a.slice(0, gap)) && gapless(a.slice(gap))).toBe(true);
  expect(a.at(-1)).toBe(emitted - 1);
  expect(late).toHaveLength(2);
});

test("flush: what was emitted before is on disk when it returns", async () => {
  await using place = new Place();
  const program = await steady(place, ["--flush-period", "1000s"]);
  await program.ask();
  const { status, stderr } = await cli(place, ["flush", program.pid]);
  expect({ status, stderr }).toEqual({
    status: 0,
    stderr: `buntrace: what ${program.pid} had emitted is written -> ${place.dir}/buntrace.data/steady-${program.pid}\n`,
  });
  expect(await numbers(join(place.dir, "buntrace.data"), "test:late")).toHaveLength(1);
  await program.end();
});

test("flush and stop come back when the consumer has done it, and not before", async () => {
  await using place = new Place();
  for (const name of ["flush", "stop"]) {
    const program = await steady(place, ["--flush-period", "1000s"]);
    await program.ask();
    // Not another's: of the pid 0 it would be the tests themselves that stop.
    await waitFor("the consumer to run", () => consumersOf(place.sessionDir).length === 1);
    const consumer = consumersOf(place.sessionDir)[0]!;
    process.kill(consumer, "SIGSTOP");
    const command = startCli(place, [name, program.pid]);
    // Longer than a command takes that does not wait: this one cannot have ended, whatever the time.
    await Bun.sleep(500);
    const ended = command.exitCode;
    process.kill(consumer, "SIGCONT");
    expect([name, ended]).toEqual([name, null]);
    expect([name, await command.exited]).toEqual([name, 0]);
    expect(await numbers(join(place.dir, "buntrace.data"), "test:late")).toHaveLength(1);
    await program.end();
  }
});

test("of sessions of one pid, the one that is steered is the one whose program runs", async () => {
  await using place = new Place();
  const program = await steady(place);
  const [name = ""] = place.sessions();
  const path = join(place.sessionDir, name);
  // Left by programs that had the pid before: one dead, one whose trace is finished. Whatever the order of reading.
  const others = [
    ["0", (bytes: Buffer) => void bytes.writeBigUInt64LE(1n, SESSION_OFFSETS.process_start)] as const,
    ["z", (bytes: Buffer) => void bytes.writeBigUInt64LE(1n, SESSION_OFFSETS.process_start)] as const,
    ["00", (bytes: Buffer) => void bytes.writeUInt32LE(1, SESSION_OFFSETS.state)] as const,
    ["zz", (bytes: Buffer) => void bytes.writeUInt32LE(1, SESSION_OFFSETS.state)] as const,
  ].map(([other, change]) => changedCopy(path, name.replace("-", `-${other}`), change));
  expect(await cli(place, ["disable", program.pid, "test:b"])).toMatchObject({
    status: 0,
    stderr: `buntrace: 1 event type switched off in ${program.pid}\n`,
  });
  await pause(program);
  const { stderr, status } = await cli(place, ["stop", program.pid]);
  expect([stderr, status]).toEqual([expect.stringContaining("is no longer recorded"), 0]);
  const output = join(place.dir, "buntrace.data");
  const before = await numbers(output, "test:a");
  await pause(program);
  // The recorder would wait for them.
  for (const other of others) rmSync(other);
  expect(await program.end()).toBeGreaterThan(before.length);
  expect(await numbers(output, "test:a")).toEqual(before);
  expect((await numbers(output, "test:b")).length).toBeLessThan(before.length);
});

test("list counts what is in the rings: recorded and discarded are what was emitted", async () => {
  await using place = new Place();
  const program = join(import.meta.dirname, "../faults/programs/endings.ts");
  await abandonedSession(place, program, ["SIGKILL", "5000"], { subBufferSize: 4096, subBuffers: 2 });
  const [row] = (await cli(place, ["list", "--json"])).stdout.trim().split("\n");
  const { events, discarded, ...others }: { events: number; discarded: number } = JSON.parse(row ?? "");
  expect(others).toMatchObject({ state: "stale", threads: 1 });
  expect(discarded).toBeGreaterThan(0);
  expect(events + discarded).toBe(5000);
});

test("flush is refused where nothing is written before the end; what goes then is no loss", async () => {
  await using place = new Place();
  const small = ["--sub-buffer-size", "4K", "--sub-buffers", "2"];
  const program = await steady(place, ["--mode", "overwrite", ...small]);
  await pause(program);
  const { status, stderr } = await cli(place, ["flush", program.pid]);
  expect({ status, stderr }).toEqual({
    status: 1,
    stderr: `buntrace: in mode overwrite nothing is written before the end: buntrace snapshot ${program.pid} writes what the rings hold\n`,
  });
  await program.end();
  expect(await program.recorder.stderr.text()).toMatch(
    /^buntrace: [\d,]+ events, .*, 1 stream, [1-9][\d,]* lost or overwritten -> \.\/buntrace\.data\n$/,
  );
});

test("the output of a running program is neither moved nor removed, however it is named", async () => {
  await using place = new Place();
  const program = await steady(place, ["-o", "live.old"]);
  const inUse = `steady (pid ${program.pid}) is being recorded there; name another with -o\n`;
  const refused = async (path: string, args: readonly string[], status: number): Promise<void> => {
    const { stderr, ...result } = await cli(place, args);
    expect({ status: result.status, stderr }).toEqual({
      status,
      stderr: `buntrace: output ${join(place.dir, path)}: ${inUse}`,
    });
  };
  symlinkSync(place.dir, join(place.dir, "alias"));
  writeFileSync(
    join(place.dir, "own.ts"),
    `import { openSession } from ${JSON.stringify(LIBRARY)};
    await openSession({ output: "live.old" }).catch((error) => console.log(error.message));`,
  );
  await refused("live.old", ["record", "-o", "live.old", "own.ts"], 125);
  await refused("alias/live.old", ["record", "-o", "alias/live.old", "own.ts"], 125);
  await refused("live.old", ["snapshot", program.pid, "-o", "live.old"], 1);
  const own = Bun.spawnSync([process.execPath, "own.ts"], {
    cwd: place.dir,
    env: { ...process.env, BUNTRACE_SESSION_DIR: place.sessionDir },
  });
  expect(own.stdout.toString()).toBe(`output ${join(place.dir, "live.old")}: ${inUse}`);
  // Nothing is there yet: it may be recorded to once, but not moved over the one in use.
  const elsewhere = ["record", "-o", "live", "own.ts"];
  expect((await cli(place, elsewhere)).status).toBe(0);
  await refused("live.old", elsewhere, 125);
  const emitted = await program.end();
  expect(await numbers(join(place.dir, "live.old"), "test:a")).toHaveLength(emitted);
  // It is a recording like others now.
  expect((await cli(place, elsewhere)).status).toBe(0);
});

test("stop ends the recording with everything before it; the program runs on", async () => {
  await using place = new Place();
  const program = await steady(place);
  await pause(program);
  const { stderr, status } = await cli(place, ["stop", program.pid]);
  expect({ status, stderr }).toEqual({ status: 0, stderr: expect.stringContaining("is no longer recorded") });
  const output = join(place.dir, "buntrace.data");
  const before = await numbers(output, "test:a");
  await pause(program);
  const emitted = await program.end();
  const after = await numbers(output, "test:a");
  expect(after).toEqual(before);
  expect(gapless(after) && after[0] === 0).toBe(true);
  expect(after.length).toBeLessThan(emitted);
});

test.each(["discard", "overwrite", "block"])(
  "snapshot in %s mode: the newest events, whole, the rest counted",
  async (mode) => {
    await using place = new Place();
    const small = ["--sub-buffer-size", "4K", "--sub-buffers", "4"];
    const program = await steady(place, ["--mode", mode, ...small]);
    await pause(program);
    await program.ask();
    let before = await program.ask();
    for (let i = 0; i < 5; i++) {
      const { stderr, status } = await cli(place, ["snapshot", program.pid, "-o", "snap"]);
      expect({ status, stderr }).toEqual({
        status: 0,
        stderr: expect.stringMatching(/^buntrace: [\d,]+ events/),
      });
      const { events, discarded } = await readReport(join(place.dir, "snap"));
      const a = events.filter(({ name }) => name === "test:a").map(({ fields }) => Number(fields["n"]));
      expect(a.length).toBeGreaterThan(100);
      // In discard mode a consumer that gets no processor leaves gaps, counted ones.
      if (mode !== "discard") expect(gapless(a)).toBe(true);
      expect(a).toEqual(a.toSorted((x, y) => x - y));
      // Emitted up to the snapshot = recorded in it + discarded in it: a and b in turn
      // (the last b may not be there yet), test:late four times and once a round. In discard
      // mode the last that was emitted need not be the last that is there.
      const after = await program.ask();
      if (mode === "discard")
        expect(events.length + discarded).toBeWithin(2 * before + 4 + i, 2 * after + 5 + i);
      else expect(events.length + discarded - 2 * (a.at(-1)! + 1)).toBeWithin(3 + i, 5 + i);
      before = after;
    }
    const emitted = await program.end();
    const { events, discarded } = await readReport(join(place.dir, "buntrace.data"));
    expect(events.length + discarded).toBe(2 * emitted + 9);
    if (mode === "block") expect(discarded).toBe(0);
  },
);

test("a consumer that is killed again and again is replaced; each event is there once", async () => {
  await using place = new Place();
  const program = await steady(place, [
    "--sub-buffer-size",
    "4K",
    "--sub-buffers",
    "64",
    "--mode",
    "block",
    "--block-timeout",
    "60s",
  ]);
  for (let i = 0; i < 3; i++) {
    const [consumer] = await waitFor("a consumer", () => {
      const found = consumersOf(place.sessionDir);
      return found.length > 0 && found;
    });
    process.kill(consumer!, "SIGKILL");
    await waitFor("another consumer", () => consumersOf(place.sessionDir).some((pid) => pid !== consumer));
    await Bun.sleep(20);
  }
  const emitted = await program.end();
  const expected = Array.from({ length: emitted }, (_, i) => i);
  const output = join(place.dir, "buntrace.data");
  expect(await numbers(output, "test:a")).toEqual(expected);
  expect(await numbers(output, "test:b")).toEqual(expected);
});

test.each([
  [0, "0 s"],
  [59, "59 s"],
  [60, "1 min"],
  [185, "3 min 5 s"],
  [4181, "1 h 9 min"],
  [7200, "2 h"],
  [200_000, "2 d 7 h"],
])("list shows an age of %d s as %s", (ageSeconds, text) => {
  const row = {
    pid: 1,
    program: "p",
    mode: "discard",
    state: "live",
    events: 0,
    discarded: 0,
    threads: 1,
  } as const;
  const [, line = ""] = sessionTable([{ ...row, ageSeconds, traceDir: "/" }]).split("\n");
  expect(line.split(/ {2,}/)).toContain(text);
});

test.each([
  [["enable", "99999999", "*"], 1, /^buntrace: no program with pid 99999999 is being recorded/],
  [["flush", "12x"], 2, /^buntrace: 12x is not a pid; see buntrace list/],
  [["recover", "0"], 2, /^buntrace: 0 is not a pid/],
  [["enable", "1", "x["], 2, /^buntrace: bad glob "x\["/],
  [["stop"], 2, /^buntrace: missing required argument 'pid'/],
  [["list", "--session-dir", "nowhere"], 1, /^buntrace: session directory nowhere: no such directory/],
  [["recover", "1"], 1, /^buntrace: no program with pid 1 is recorded or left to recover/],
] as const)("%j is refused in one line", async (args, status, line) => {
  await using place = new Place();
  const result = await cli(place, args);
  expect(result.stderr).toMatch(line);
  expect(result.stderr.trimEnd().split("\n")).toHaveLength(1);
  expect(result.status).toBe(status);
});
