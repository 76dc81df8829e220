/**
 * A program that emits all the while, recorded as a user does it: for tests of the commands that steer it. Runs in the
 * test process.
 */
import { expect } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { readTrace } from "../support/babeltrace.ts";
import { cli, startCli } from "../support/cli.ts";
import type { Place } from "../support/place.ts";

/** The library, for programs made here. */
export const LIBRARY = join(import.meta.dirname, "../../src/index.ts");

/**
 * Emits `test:a` and `test:b` (level debug) with one number in turn, a hundred a
 * tick; `test:late` is defined when a line comes in; ends when its input does.
 */
const STEADY = `
import { provider } from ${JSON.stringify(LIBRARY)};
const test = provider("test");
const a = test.tracepoint("a", [["n", "u32"]]);
const b = test.tracepoint("b", [["n", "u32"]], { level: "debug" });
let n = 0;
const timer = setInterval(() => { for (let i = 0; i < 100; i++) { a(n); b(n); n++; } }, 2);
console.log(process.pid);
for await (const line of console) {
  if (line === "") continue; // at the input's end
  test.tracepoint("late", [["n", "u32"]])(n);
  console.log(line, n);
}
clearInterval(timer);
console.log("emitted", n);
`;

/** A recorded program that runs until `end`. */
export async function steady(place: Place, options: readonly string[] = []) {
  writeFileSync(join(place.dir, "steady.ts"), STEADY);
  const recorder = startCli(place, ["record", "-e", "test:*", ...options, "steady.ts"]);
  const reader = recorder.stdout.getReader();
  let seen = "";
  const line = async (): Promise<string> => {
    while (!seen.includes("\n")) seen += new TextDecoder().decode((await reader.read()).value);
    const end = seen.indexOf("\n");
    const text = seen.slice(0, end);
    seen = seen.slice(end + 1);
    return text;
  };
  return {
    recorder,
    pid: await line(),
    /** Has the program define and emit \`test:late\`. @returns how many of a and b it has emitted. */
    async ask(): Promise<number> {
      recorder.stdin.write("x\n");
      recorder.stdin.flush();
      return Number((await line()).replace("x ", ""));
    },
    /** Ends the program. @returns how many of each it emitted. */
    async end(): Promise<number> {
      recorder.stdin.end();
      const emitted = Number((await line()).replace("emitted ", ""));
      expect(await recorder.exited).toBe(0);
      return emitted;
    },
  };
}

type Steady = Awaited<ReturnType<typeof steady>>;

/** The numbers of events of a name, in the order of time. */
export const numbers = async (dir: string, name: string): Promise<number[]> =>
  (await readTrace(dir)).filter((event) => event.name === name).map(({ fields }) => Number(fields["n"]));

/** Whether each is one more than the one before. */
export const gapless = (values: readonly number[]): boolean =>
  values.every((n, i) => n === (values[0] ?? 0) + i);

/** Lets it emit for some time. */
export async function pause(program: Steady): Promise<void> {
  await program.ask();
  await Bun.sleep(50);
  await program.ask();
}

/** What `buntrace list` says of a program. */
export async function listed(place: Place, pid: string): Promise<Record<string, unknown>> {
  const { stdout, status } = await cli(place, ["list", "--json"]);
  expect(status).toBe(0);
  const rows = stdout
    .trimEnd()
    .split("\n")
    .map((text) => JSON.parse(text) as Record<string, unknown>);
  return rows.find((row) => String(row["pid"]) === pid) ?? {};
}
