/**
 * What all commands have in common on the command line: errors in one line that name what helps, the help, and an
 * output that cannot be written.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";

import { EXAMPLES } from "../../src/commands/examples.ts";
import { CLI, cli } from "../support/cli.ts";
import { Place } from "../support/place.ts";
import { abandonedSession } from "../support/session-files.ts";
import { HEAD, packet, streamBlock, writeTrace } from "../ctf/hand-made.ts";

setDefaultTimeout(120_000);

const place = new Place();
const trace = join(place.dir, "trace");
beforeAll(() => {
  writeTrace(trace, {
    metadata: `${HEAD}${streamBlock()} event { name = "a:b"; id = 0; stream_id = 0; };`,
    one: packet([{ time: 1n }, { time: 2n }]),
  });
});
afterAll(() => place[Symbol.asyncDispose]());

test.each([
  [["prnit"], "unknown command 'prnit'; did you mean print? (see buntrace --help)"],
  [["help", "nosuch"], "unknown command 'nosuch' (see buntrace --help)"],
  [["print", "--jsno"], "unknown option '--jsno'; did you mean --json? (see buntrace print --help)"],
  [["record"], "missing required argument 'program' (see buntrace record --help)"],
  [["list", "4711"], "too many arguments: expected 0 but got 1: 4711 (see buntrace list --help)"],
  [
    ["record", "--flush-period", "1x", "app.ts"],
    "option '--flush-period <time>' argument '1x' is invalid: use milliseconds, or a unit, as 500, 500ms, 2s, 10m, 1h or 1d (see buntrace record --help)",
  ],
  [["hist", "x"], "missing required argument 'name' (see buntrace hist --help)"],
])("%p is refused in one line", async (args, line) => {
  const { stdout, stderr, status } = await cli(place, args);
  expect([stdout, stderr, status]).toEqual(["", `buntrace: ${line}\n`, 2]);
});

test("help of a command is a sentence, and short in the list of all", async () => {
  const all = await cli(place, ["--help"]);
  expect(all.stdout).toContain("print the events of traces");
  for (const args of [
    ["help", "print"],
    ["print", "--help"],
  ]) {
    const { stdout, stderr, status } = await cli(place, args);
    expect(stdout).toContain("\n\nPrint the events of traces, in the order of their times.\n\n");
    expect([stderr, status]).toEqual(["", 0]);
  }
  expect((await cli(place, ["help"])).stdout).toBe(all.stdout);
});

test.each(["print", "report", "graph", "info", "export", "open"])(
  "%s without a recording here",
  async (name) => {
    const { stderr, status } = await cli(place, name === "export" ? [name, "--to", "csv"] : [name]);
    expect([stderr, status]).toEqual([
      "buntrace: there is no buntrace.data here: name a trace, or make one with buntrace record\n",
      1,
    ]);
  },
);

test("each command's help ends with examples, of options that it has", async () => {
  const all = (await cli(place, ["--help"])).stdout;
  const names = [...all.matchAll(/^ {2}([a-z]+) (?:\[|<)/gm)].map(([, name]) => name ?? "");
  expect(Object.keys(EXAMPLES).toSorted()).toEqual(names.filter((name) => name !== "help").toSorted());
  await Promise.all(
    Object.entries(EXAMPLES).map(async ([name, examples]) => {
      const { stdout } = await cli(place, [name, "--help"]);
      expect(stdout).toEndWith(`\nExamples:\n  ${examples.join("\n  ")}\n`);
      for (const example of examples) {
        expect(example).toStartWith(`buntrace ${name}`);
        const [own = ""] = example.split(" app.ts");
        for (const [option] of own.matchAll(/ --?[a-z-]+/g))
          expect(stdout).toMatch(new RegExp(`^  .*${option.trim()}[ ,]`, "m"));
      }
    }),
  );
});

describe("an output that cannot be written", () => {
  function toFull(...args: string[]): string[] {
    const { stdout, stderr, exitCode } = Bun.spawnSync([
      "bash",
      "-c",
      '"$@" >/dev/full',
      "-",
      process.execPath,
      CLI,
      ...args,
    ]);
    return [stdout.toString(), stderr.toString(), String(exitCode)];
  }

  test.each(["print", "report", "info", "graph"])("%s to a full disk", (command) => {
    expect(toFull(command, trace)).toEqual(["", "buntrace: stdout: no space left on device\n", "1"]);
  });

  test("list to a full disk, and to a reader that has enough", async () => {
    const program = join(import.meta.dirname, "../faults/programs/endings.ts");
    await abandonedSession(place, program, ["SIGKILL", "1"], {});
    const list = ["list", "--session-dir", place.sessionDir];
    for (const args of [list, [...list, "--json"]]) {
      expect(toFull(...args)).toEqual(["", "buntrace: stdout: no space left on device\n", "1"]);
      const shell = `set -o pipefail; { sleep 1; "$@"; } | true`;
      const { stderr, exitCode } = Bun.spawnSync(["bash", "-c", shell, "-", process.execPath, CLI, ...args]);
      expect([stderr.toString(), exitCode]).toEqual(["", 0]);
    }
  });

  test("help to a full disk", () => {
    for (const args of [["--help"], ["help"], ["print", "--help"]])
      expect(toFull(...args)).toEqual(["", "buntrace: stdout: no space left on device\n", "1"]);
  });

  test("help to a reader that has enough", () => {
    const shell = `set -o pipefail; { sleep 1; ${process.execPath} ${CLI} --help; } | true`;
    const { stderr, exitCode } = Bun.spawnSync(["bash", "-c", shell]);
    expect([stderr.toString(), exitCode]).toEqual(["", 0]);
  });

  test("open, a directory that is not there", async () => {
    const { stderr, status } = await cli(place, ["open", trace, "--export", "/nowhere/page.html"]);
    expect([stderr, status]).toEqual(["buntrace: /nowhere/page.html: no such file or directory\n", 1]);
  });
});
