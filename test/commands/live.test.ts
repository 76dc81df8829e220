/**
 * The commands that steer running programs, as an operator uses them: each acts on a
 * program that emits all the while, which must not notice.
 */
import { expect, test } from "bun:test";
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { sessionTable } from "../../src/commands/session-table.ts";
import { readReport } from "../support/babeltrace.ts";
import { cli } from "../support/cli.ts";
import { Place } from "../support/place.ts";
import { consumersOf, isAlive, waitFor } from "../support/processes.ts";
import { abandonedSession } from "../support/session-files.ts";
import { gapless, LIBRARY, numbers, pause, steady } from "./steady.ts";

async function listed(place: Place, pid: string): Promise<Record<string, unknown>> {
  const { stdout, status } = await cli(place, ["list", "--json"]);
  expect(status).toBe(0);
  const rows = stdout
    .trimEnd()
    .split("\n")
    .map((text) => JSON.parse(text) as Record<string, unknown>);
  return rows.find((row) => String(row["pid"]) === pid) ?? {};
}

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

test("recover finishes what program and consumer left when both were killed", async () => {
  await using place = new Place();
  const program = await steady(place, ["--flush-period", "1000s"]);
  await pause(program);
  // The recorder would recover by itself: it goes first.
  program.recorder.kill("SIGKILL");
  const [consumer] = consumersOf(place.sessionDir);
  process.kill(consumer!, "SIGKILL");
  process.kill(Number(program.pid), "SIGKILL");
  await waitFor("all to die", () => !isAlive(consumer!) && !isAlive(Number(program.pid)));
  expect(await listed(place, program.pid)).toMatchObject({ state: "stale" });
  // Where it cannot be written the session file stays, for another try.
  const data = join(place.dir, "buntrace.data");
  renameSync(data, `${data}.away`);
  expect(await cli(place, ["recover"])).toMatchObject({
    status: 1,
    stderr: expect.stringMatching(
      /: No such file or directory\nbuntrace: 1 of 1 session could not be recovered/,
    ),
  });
  expect(place.sessions()).toHaveLength(1);
  renameSync(`${data}.away`, data);
  expect((await cli(place, ["list"])).stderr).toBe(
    "buntrace: 1 session stale: program and consumer are dead; buntrace recover finishes the trace\n",
  );
  for (const args of [["flush"], ["stop"], ["enable", "*"], ["disable", "*"]]) {
    const [name = "", ...rest] = args;
    const refused = await cli(place, [name, program.pid, ...rest]);
    expect([name, refused.status, refused.stderr]).toEqual([
      name,
      1,
      `buntrace: steady (pid ${program.pid}) is dead: buntrace recover ${program.pid} finishes its trace\n`,
    ]);
  }
  const { stderr, status } = await cli(place, ["recover"]);
  expect({ status, stderr }).toEqual({
    status: 0,
    stderr: expect.stringContaining(`steady (pid ${program.pid}) recovered`),
  });
  expect(place.sessions()).toEqual([]);
  const output = join(place.dir, "buntrace.data");
  const a = await numbers(output, "test:a");
  expect(a.length).toBeGreaterThan(0);
  expect(gapless(a) && a[0] === 0).toBe(true);
  expect(await numbers(output, "test:late")).toHaveLength(2);
  expect((await cli(place, ["recover"])).stderr).toMatch(/^buntrace: nothing to recover/);
});

test("recover leaves a program alone that runs, and one whose consumer still writes", async () => {
  await using place = new Place();
  const program = await steady(place);
  await program.ask();
  expect((await cli(place, ["recover"])).stderr).toBe("");
  expect(await cli(place, ["recover", program.pid])).toMatchObject({
    status: 0,
    stderr: `buntrace: steady (pid ${program.pid}) is still running\n`,
  });
  const [consumer] = consumersOf(place.sessionDir);
  expect(place.sessions()).toHaveLength(1);
  // Dead, but its consumer is not through: it cannot even begin.
  process.kill(consumer!, "SIGSTOP");
  process.kill(Number(program.pid), "SIGKILL");
  await waitFor("its death", () => !isAlive(Number(program.pid)));
  expect(await cli(place, ["recover", program.pid])).toMatchObject({
    status: 0,
    stderr: `buntrace: steady (pid ${program.pid}) has a consumer that is still writing\n`,
  });
  expect(place.sessions()).toHaveLength(1);
  process.kill(consumer!, "SIGCONT");
  await program.recorder.exited;
  const a = await numbers(join(place.dir, "buntrace.data"), "test:a");
  expect(gapless(a) && a[0] === 0).toBe(true);
  expect(place.sessions()).toEqual([]);
});

test("recover --discard removes what cannot be recovered, and nothing else", async () => {
  await using place = new Place();
  const [lost, kept] = [join(place.dir, "lost"), join(place.dir, "kept")];
  const source = join(place.dir, "app.ts");
  writeFileSync(
    source,
    `import { provider } from ${JSON.stringify(LIBRARY)};
    const tick = provider("test").tracepoint("tick", [["n", "u32"]]);
    for (let n = 0; n < 5000; n++) tick(n);
    process.kill(process.pid, "SIGKILL");`,
  );
  for (const output of [lost, kept]) {
    mkdirSync(output);
    await abandonedSession(place, source, [], { output });
  }
  rmSync(lost, { recursive: true });
  const live = await steady(place);
  const why = /^buntrace: app \(pid \d+\) not recovered: .*\/lost\/app-\d+: No such file or directory/m;
  const first = await cli(place, ["recover"]);
  expect(first.stderr).toMatch(why);
  expect(first.stderr).toEndWith(
    "buntrace: 1 of 3 sessions could not be recovered; --discard removes what cannot be\n",
  );
  expect([first.status, place.sessions().length]).toEqual([1, 2]);
  expect(await numbers(kept, "test:tick")).toEqual(Array.from({ length: 5000 }, (_, n) => n));
  const running = await cli(place, ["recover", "--discard", live.pid]);
  expect(running.stderr).toBe(`buntrace: steady (pid ${live.pid}) is still running\n`);
  const second = await cli(place, ["recover", "--discard"]);
  expect(second.stderr).toMatch(why);
  expect(second.stderr).toEndWith("; discarded, 5,000 events lost\n");
  expect([second.status, place.sessions().length]).toEqual([0, 1]);
  await live.end();
});

test("record recovers by itself when the consumer died", async () => {
  await using place = new Place();
  const program = await steady(place, ["--flush-period", "1000s"]);
  await program.ask();
  process.kill(consumersOf(place.sessionDir)[0]!, "SIGKILL");
  const emitted = await program.end();
  const output = join(place.dir, "buntrace.data");
  expect(await numbers(output, "test:a")).toEqual(Array.from({ length: emitted }, (_, i) => i));
  expect(place.sessions()).toEqual([]);
});

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
