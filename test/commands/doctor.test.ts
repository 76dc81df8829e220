/**
 * `buntrace doctor` on machines that can record and on some that cannot: what it says
 * of each, and that it leaves nothing behind.
 */
import { expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, cpSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { native } from "../../src/record/thread.ts";
import { cli, CLI } from "../support/cli.ts";
import { canMount, UNSHARE, withTmpfs } from "../support/mounts.ts";
import { Place } from "../support/place.ts";
import { isAlive, waitFor } from "../support/processes.ts";
import { ended } from "../support/run.ts";

setDefaultTimeout(120_000);

interface Finding {
  readonly check: string;
  readonly state: string;
  readonly text: string;
}

/** Runs `doctor --json` below some words, with this environment: its findings by check. */
async function findings(
  place: Place,
  { wrap = [], env = {}, args = [] }: { wrap?: string[]; env?: Record<string, string>; args?: string[] } = {},
): Promise<{ status: number | null; found: Record<string, Finding> }> {
  const command = Bun.spawn([...wrap, process.execPath, CLI, "doctor", "--json", ...args], {
    cwd: place.dir,
    env: { ...process.env, BUNTRACE_SESSION_DIR: place.sessionDir, ...env },
    stdin: "pipe",
    stdout: "pipe",
    stderr: "pipe",
  });
  command.stdin.end();
  const { stdout, stderr, status } = await ended(command);
  expect(stderr).toBe("");
  const lines = stdout.trimEnd().split("\n");
  const found = lines.map((line): Finding => JSON.parse(line));
  return { status, found: Object.fromEntries(found.map((finding) => [finding.check, finding])) };
}

/** Binaries of which the consumer is this shell script. */
function withConsumer(place: Place, script: string): Record<string, string> {
  const loaded = native();
  if (typeof loaded === "string") throw new Error(loaded);
  const dir = join(place.dir, "binaries");
  cpSync(join(loaded.consumerPath, ".."), dir, { recursive: true });
  writeFileSync(join(dir, "buntrace-consumer"), `#!/bin/sh\n${script}\n`);
  chmodSync(join(dir, "buntrace-consumer"), 0o755);
  return { BUNTRACE_BINARIES: dir };
}

test("a machine that can record: a line a check, and nothing left behind", async () => {
  await using place = new Place();
  const before = readdirSync(place.dir);
  const { stdout, stderr, status } = await cli(place, ["doctor"]);
  expect([stderr, status]).toEqual(["", 0]);
  const lines = stdout.trimEnd().split("\n");
  expect(lines.map((line) => line.split(/ +/)[1])).toEqual([
    "bun",
    "binaries",
    "processors",
    "sessions",
    "output",
    "clock",
    "trial",
  ]);
  expect(lines.at(-1)).toMatch(
    /^ok +trial +1,000,000 events of a program that was killed with SIGKILL, \d+\.\d ns each: all are in the trace$/,
  );
  expect(place.sessions()).toEqual([]);
  expect(readdirSync(place.dir)).toEqual(before);
});

test("binaries that are not there, a session directory and an output that cannot be made", async () => {
  await using place = new Place();
  const none = await findings(place, { env: { BUNTRACE_BINARIES: "/nowhere" } });
  expect(none).toMatchObject({
    status: 1,
    found: { binaries: { state: "fail", text: expect.stringContaining("/nowhere") } },
  });
  expect(none.found["trial"]).toBeUndefined();
  const wrong = await findings(place, { args: ["--session-dir", "/proc/x", "-o", "/proc/y"] });
  expect(wrong).toMatchObject({
    status: 1,
    found: {
      sessions: { state: "fail", text: expect.stringMatching(/\/proc\/x cannot be made.*--session-dir/) },
      output: { state: "fail", text: "/proc/y: 0 bytes free; name another with -o" },
    },
  });
  expect(wrong.found["trial"]).toBeUndefined();
});

test("one processor is told", async () => {
  await using place = new Place();
  const { found, status } = await findings(place, { wrap: ["taskset", "-c", "0"] });
  expect(found["processors"]).toMatchObject({
    state: "warn",
    text: expect.stringMatching(/^1 .*--sub-buffers/),
  });
  expect(status).toBe(0);
});

test("a recording that program and consumer left unfinished is told, and goes with recover", async () => {
  await using place = new Place();
  const program = join(place.dir, "left.ts");
  writeFileSync(
    program,
    `import { openSession } from ${JSON.stringify(join(import.meta.dirname, "../../src/index.ts"))};
    const session = await openSession({ output: "left" });
    await session.flush(); // its consumer is there
    console.log(session.info().consumerPid);
    setInterval(() => {}, 1e6);`,
  );
  const left = Bun.spawn([process.execPath, program], {
    cwd: place.dir,
    env: { ...process.env, BUNTRACE_SESSION_DIR: place.sessionDir },
    stdout: "pipe",
  });
  const consumer = Number(new TextDecoder().decode((await left.stdout.getReader().read()).value));
  process.kill(consumer, "SIGKILL");
  left.kill("SIGKILL");
  await left.exited;
  await waitFor("the consumer to die", () => !isAlive(consumer));
  const stale = await findings(place);
  expect(stale.found["sessions"]).toMatchObject({
    state: "warn",
    text: expect.stringContaining("1 recording left unfinished: buntrace recover"),
  });
  expect(stale.found["trial"]?.state).toBe("ok");
  expect((await cli(place, ["recover"])).status).toBe(0);
  expect((await findings(place)).found["sessions"]?.state).toBe("ok");
});

test.concurrent("a consumer that does not come up", async () => {
  await using place = new Place();
  const dead = await findings(place, { env: withConsumer(place, "exit 0") });
  expect(dead).toMatchObject({
    status: 1,
    found: { trial: { state: "fail", text: expect.stringMatching(/^a program cannot be recorded: \S/) } },
  });
});

test.concurrent.if(canMount())("a disk that takes a part of it", async () => {
  await using place = new Place();
  const mountPoint = join(place.dir, "disk");
  mkdirSync(mountPoint);
  const { found, status } = await findings(place, {
    wrap: withTmpfs(place, mountPoint, "3m"),
    args: ["-o", mountPoint],
  });
  expect(status).toBe(1);
  expect(found["trial"]).toMatchObject({
    state: "fail",
    text: "a program cannot be recorded: the consumer did not flush within 10 s: no space left on device",
  });
});

test.if(canMount())("a session directory with no room for a ring, or for few", async () => {
  await using place = new Place();
  const none = await findings(place, { wrap: withTmpfs(place, place.sessionDir, "1m") });
  expect(none).toMatchObject({
    status: 1,
    found: {
      sessions: { state: "fail", text: expect.stringMatching(/rings of 0 threads; .*--session-dir/) },
    },
  });
  const few = await findings(place, { wrap: withTmpfs(place, place.sessionDir, "15m") });
  expect(few).toMatchObject({
    status: 0,
    found: { sessions: { state: "warn", text: expect.stringMatching(/rings of [67] threads; /) } },
  });
});

test.if(canMount())("a machine whose kernel does not trust the cycle counter", async () => {
  await using place = new Place();
  const source = join(place.dir, "clocksource");
  writeFileSync(source, "hpet\n");
  const real = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
  const script = `mount --bind ${source} ${real} && exec "$@"`;
  const { found, status } = await findings(place, { wrap: [...UNSHARE, "sh", "-c", script, "sh"] });
  expect(found["clock"]).toMatchObject({
    state: "warn",
    text: expect.stringMatching(/\(clocksource hpet\)$/),
  });
  expect([status, found["trial"]?.state]).toEqual([0, "ok"]);
});
