/**
 * Which signal a program died of: the trace says it where the kernel tells, and
 * `record` in its last line. Runs real programs and kills them.
 */
import { expect, setDefaultTimeout, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { constants, release } from "node:os";
import { join } from "node:path";

import { killedBy } from "../../src/ctf/trace-end.ts";
import { openTraces } from "../../src/ctf/index.ts";
import { babeltrace } from "../support/babeltrace.ts";
import { cli } from "../support/cli.ts";
import { Place } from "../support/place.ts";

setDefaultTimeout(120_000);

const INDEX = join(import.meta.dirname, "../../src/index.ts");

/** Linux tells how a process ended whoever asks, from this version on. */
const [MAJOR = 0, MINOR = 0] = release().split(".").map(Number);
const TOLD = MAJOR > 6 || (MAJOR === 6 && MINOR >= 15);

/** A program that emits one event, waits for its consumer, and does what it is told. */
function programIn(place: Place, then: string): string {
  const source = join(place.dir, "dying.ts");
  writeFileSync(
    source,
    `import { openSession, provider } from ${JSON.stringify(INDEX)};
    const session = await openSession({ output: ${JSON.stringify(place.output)} });
    provider("test").tracepoint("last")();
    await session.flush();
    ${then}`,
  );
  return source;
}

/** Runs such a program to its end, and its consumer's. */
async function dies(place: Place, then: string, env: object = {}): Promise<Bun.Subprocess> {
  const program = Bun.spawn([process.execPath, programIn(place, then)], {
    cwd: place.dir,
    env: { ...process.env, BUNTRACE_SESSION_DIR: place.sessionDir, ...env },
    stdout: "ignore",
    stderr: "ignore",
  });
  await program.exited;
  await place.recorded();
  return program;
}

/** What a trace says, by our reader and by babeltrace2. */
async function told(place: Place): Promise<{ name: string | undefined; number: number }> {
  const set = openTraces(place.output);
  const name = set.traces[0] && killedBy(set.traces[0].traceClass);
  set.close();
  const { stdout, stderr } = await babeltrace(["--component=sink.text.details", place.output]);
  expect(stderr).toBe("");
  return { name, number: Number(/^ *killed_by: (\d+)$/m.exec(stdout)?.[1]) };
}

test.each(["SIGKILL", "SIGTERM", "SIGSEGV", "SIGABRT", "signal 40"] as const)(
  "killed by %s",
  async (signal) => {
    await using place = new Place();
    const number = signal === "signal 40" ? 40 : constants.signals[signal];
    const program = await dies(place, `process.kill(process.pid, ${number}); for (;;);`);
    // What its parent sees.
    expect<unknown>(program.signalCode).toBe(signal === "signal 40" ? 40 : signal);
    expect(await told(place)).toEqual(TOLD ? { name: signal, number } : { name: undefined, number: 0 });
  },
);

const UNTOLD: readonly (readonly [string, string, object])[] = [
  ["the program ends by itself", "", {}],
  ["it exits with 9", "process.reallyExit(9);", {}],
  [
    "it closes its session and is killed later",
    'await session.close(); process.kill(process.pid, "SIGKILL");',
    {},
  ],
  ["the kernel has no pidfd", 'process.kill(process.pid, "SIGKILL");', { BUNTRACE_NO_PIDFD: "1" }],
];

test.each(UNTOLD)("no signal is told where %s", async (_what, then, env) => {
  await using place = new Place();
  await dies(place, then, env);
  expect(await told(place)).toEqual({ name: undefined, number: 0 });
});

test("a parent that does not wait for its child is not waited for", async () => {
  await using place = new Place();
  const source = programIn(place, "console.log(process.pid); for (;;);");
  // The shell becomes the parent of a program that it knows nothing of.
  const parent = Bun.spawn(["sh", "-c", `"$0" "$1" & exec sleep 1000`, process.execPath, source], {
    env: { ...process.env, BUNTRACE_SESSION_DIR: place.sessionDir },
    stdout: "pipe",
  });
  const { value } = await parent.stdout.getReader().read();
  process.kill(Number(new TextDecoder().decode(value)), "SIGKILL");
  await place.recorded();
  expect(await told(place)).toEqual({ name: undefined, number: 0 });
  parent.kill();
  await parent.exited;
});

test("record, info and report say it", async () => {
  await using place = new Place();
  // Once its consumer is there: of a program that was gone before it can tell nothing.
  writeFileSync(
    join(place.dir, "app.ts"),
    `const { flush } = await (await import(${JSON.stringify(INDEX)})).openSession();
    await flush();
    process.kill(process.pid, "SIGKILL");`,
  );
  const recorded = await cli(place, ["record", "app.ts"]);
  expect(recorded.stderr).toContain("the program was killed by SIGKILL");
  if (!TOLD) return;
  expect((await cli(place, ["info"])).stdout).toMatch(/^killed: +by SIGKILL$/m);
  expect(JSON.parse((await cli(place, ["info", "--json"])).stdout)).toHaveProperty("killed_by", "SIGKILL");
  expect((await cli(place, ["report"])).stdout).toMatch(/^killed by SIGKILL$/m);
  writeFileSync(join(place.dir, "app.ts"), "process.exit(3);");
  expect((await cli(place, ["record", "-o", "other", "app.ts"])).stderr).not.toContain("killed");
  const both = await cli(place, ["report", "buntrace.data", "other"]);
  expect(both.stdout.match(/^.*killed by.*$/gm)).toEqual([
    expect.stringMatching(/^app-\d+: killed by SIGKILL$/),
  ]);
});
