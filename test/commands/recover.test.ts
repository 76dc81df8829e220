/** `buntrace recover`, and `record` which recovers by itself: what is left of programs that died with their consumers. */
import { expect, test } from "bun:test";
import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { cli } from "../support/cli.ts";
import { Place } from "../support/place.ts";
import { consumersOf, isAlive, waitFor } from "../support/processes.ts";
import { abandonedSession } from "../support/session-files.ts";
import { gapless, LIBRARY, listed, numbers, pause, steady } from "./steady.ts";

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
