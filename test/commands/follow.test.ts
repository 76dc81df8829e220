/**
 * `buntrace record` and the programs that the program starts: Bun programs record
 * themselves into sibling traces, whichever way they are started; everything else, and
 * whoever gets another environment, is left alone. With --no-follow so are all.
 */
import { expect, test } from "bun:test";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { readTrace } from "../support/babeltrace.ts";
import { cli, startCli } from "../support/cli.ts";
import { Place } from "../support/place.ts";
import { waitFor } from "../support/processes.ts";

const LIBRARY = join(import.meta.dirname, "../../src/index.ts");
const BUN = JSON.stringify(process.execPath);

/** Emits `test:here` with its name, and prints it; `outer` starts `inner`. */
const CHILD = `
import { provider } from ${JSON.stringify(LIBRARY)};
const here = provider("test").tracepoint("here", [["name", "string"]]);
const name = process.argv[2];
here(name);
if (name === "outer") Bun.spawnSync([process.execPath, "child.ts", "inner"], { stdout: "inherit" });
console.log(name, process.execArgv.length);
`;

/** Starts a child in every way there is, one after another, and emits \`test:step\` around each. */
const PARENT = `
import { provider } from ${JSON.stringify(LIBRARY)};
import { $, spawn as spawnOfBun } from "bun";
import { execFileSync, execSync, fork, spawn } from "node:child_process";
const step = provider("test").tracepoint("step", [["n", "u32"]]);
const bun = ${BUN};
const out = { stdout: "inherit" } as const;
const inherit = { stdio: "inherit" } as const;
const ended = (child) => new Promise((done) => child.on("exit", done));
const clean = { PATH: process.env.PATH };
const ways = [
  () => Bun.spawn([bun, "child.ts", "Bun.spawn"], out).exited,
  () => Bun.spawnSync({ cmd: [bun, "child.ts", "Bun.spawnSync"], ...out }),
  () => spawnOfBun([bun, "child.ts", "spawn of bun"], { ...out, env: { ...process.env, MORE: "1" } }).exited,
  () => $\`\${bun} child.ts \${"Bun.$"}\`,
  () => ended(fork("child.ts", ["fork"])),
  () => ended(spawn(bun, ["child.ts", "node spawn"], inherit)),
  () => execFileSync(bun, ["child.ts", "execFileSync"], inherit),
  () => execSync(bun + " child.ts execSync", inherit),
  () => Bun.spawn(["sh", "-c", 'true; "$0" child.ts shell', bun], out).exited,
  () => Bun.spawn([bun, "child.ts", "outer"], out).exited,
  () => new Promise((done) => new Worker("./worker.ts").addEventListener("close", done)),
  () => Bun.spawn([bun, "child.ts", "no environment"], { ...out, env: clean }).exited,
  () => ended(fork("child.ts", ["fork, no environment"], { env: clean })),
  () => Bun.spawn(["echo", "no Bun"], out).exited,
];
for (const [n, way] of ways.entries()) { step(n); await way(); }
step(ways.length);
console.log("parent", process.execArgv.length);
`;

const WORKER = `
import { provider } from ${JSON.stringify(LIBRARY)};
provider("test").tracepoint("here", [["name", "string"]])("Worker");
await Bun.spawn([${BUN}, "child.ts", "of a Worker"], { stdout: "inherit" }).exited;
process.exit();
`;

/** Children of the parent in its order, and of which of them a trace is expected. */
const FOLLOWED = [
  "Bun.spawn",
  "Bun.spawnSync",
  "spawn of bun",
  "Bun.$",
  "fork",
  "node spawn",
  "execFileSync",
  "execSync",
  "shell",
  "outer",
  "inner",
  "Worker",
  "of a Worker",
];

async function family(options: readonly string[]) {
  const place = new Place();
  writeFileSync(join(place.dir, "child.ts"), CHILD);
  writeFileSync(join(place.dir, "worker.ts"), WORKER);
  writeFileSync(join(place.dir, "parent.ts"), PARENT);
  const result = await cli(place, ["record", "-e", "test:*", "-o", "out", ...options, "parent.ts"]);
  const output = join(place.dir, "out");
  return { place, result, events: await readTrace(output), traces: readdirSync(output) };
}

test("Bun programs that the program starts are in sibling traces, in the order of time", async () => {
  const { place, result, events, traces } = await family([]);
  await using _ = place;
  expect(result.status).toBe(0);
  // Each ran as without the recorder; "inner" ends before "outer" does.
  const ran = result.stdout.trimEnd().split("\n");
  expect(ran.filter((line) => line.endsWith(" 0"))).toHaveLength(15);
  expect(ran).toContain("no Bun");
  // A program each: the parent and its Worker are one.
  expect(traces.filter((name) => name.startsWith("child-"))).toHaveLength(FOLLOWED.length - 1);
  expect(traces.filter((name) => name.startsWith("parent-"))).toHaveLength(1);
  expect(traces).toHaveLength(FOLLOWED.length);
  // Merged by time, every child stands between the parent's steps before and after it.
  const texts = events.map(({ name, fields }) => (name === "test:here" ? fields["name"] : fields["n"]));
  const steps = [0, 1, 2, 3, 4, 5, 6, 7, 8].flatMap((n) => [n, FOLLOWED[n]]);
  expect(texts).toEqual([...steps, 9, "outer", "inner", 10, "Worker", "of a Worker", 11, 12, 13, 14]);
  expect(result.stderr).toMatch(/^buntrace: 28 events, .* 14 streams, 0 lost -> \.\/out\n$/);
  // Nobody recorded anywhere else.
  expect(existsSync(join(place.dir, "buntrace.data"))).toBe(false);
});

test("with --no-follow the program is recorded with its Workers, and none that it starts", async () => {
  const { place, result, events, traces } = await family(["--no-follow"]);
  await using _ = place;
  expect(result.status).toBe(0);
  expect(result.stdout.trimEnd().split("\n")).toHaveLength(16);
  expect(traces).toHaveLength(1);
  expect(events.filter(({ name }) => name === "test:here").map(({ fields }) => fields["name"])).toEqual([
    "Worker",
  ]);
  expect(events.filter(({ name }) => name === "test:step")).toHaveLength(15);
  expect(existsSync(join(place.dir, "buntrace.data"))).toBe(false);
});

test("with --no-follow the program is what a script of package.json starts, and lives on through --watch", async () => {
  await using place = new Place();
  writeFileSync(join(place.dir, "child.ts"), CHILD);
  writeFileSync(join(place.dir, "package.json"), `{"scripts":{"dev":"bun child.ts outer"}}`);
  const options = ["record", "--no-follow", "-e", "test:*", "-o"];
  expect((await cli(place, [...options, "script", "bun", "run", "dev"])).status).toBe(0);
  const names = async (output: string): Promise<unknown[]> =>
    (await readTrace(join(place.dir, output))).map(({ fields }) => fields["name"]);
  expect(await names("script")).toEqual(["outer"]);

  const watched = startCli(place, [...options, "watch", "bun", "--watch", "child.ts", "outer"]);
  const lives = (n: number) => () =>
    existsSync(join(place.dir, "watch")) && readdirSync(join(place.dir, "watch")).length >= n;
  await waitFor("the first life", lives(1));
  const reader = watched.stdout.getReader();
  const printed = async (): Promise<string> => new TextDecoder().decode((await reader.read()).value);
  while (!(await printed()).includes("outer"));
  writeFileSync(join(place.dir, "child.ts"), `${CHILD} `);
  await waitFor("the second life", lives(2));
  while (!(await printed()).includes("outer"));
  watched.kill("SIGTERM");
  await watched.exited;
  expect(await names("watch")).toEqual(["outer", "outer"]);
});

test("BUN_OPTIONS of the user's own reach the children without the recorder's", async () => {
  await using place = new Place();
  writeFileSync(join(place.dir, "own.ts"), `globalThis.own = true;`);
  writeFileSync(
    join(place.dir, "app.ts"),
    `console.log(process.argv[2], globalThis.own, process.env.BUN_OPTIONS, process.execArgv);
    if (process.argv[2] === "1") Bun.spawnSync([process.execPath, "app.ts", "2"], { stdout: "inherit" });`,
  );
  const own = `--preload=${join(place.dir, "own.ts")}`;
  const { stdout } = await cli(place, ["record", "--no-follow", "app.ts", "1"], { BUN_OPTIONS: own });
  expect(stdout).toBe(["1", "2"].map((n) => `${n} true ${own} [ "${own}" ]\n`).join(""));
});

test("with --no-follow a child that is given an environment has that one, and no other", async () => {
  await using place = new Place();
  writeFileSync(
    join(place.dir, "app.ts"),
    `const print = "console.log(process.env.GIVEN, process.env.NOT_GIVEN)";
    for (const env of [undefined, { GIVEN: "1" }])
      Bun.spawnSync([process.execPath, "-e", print], { stdout: "inherit", env });`,
  );
  const { stdout } = await cli(place, ["record", "--no-follow", "app.ts"], { NOT_GIVEN: "2" });
  expect(stdout).toBe("undefined 2\n1 undefined\n");
});
