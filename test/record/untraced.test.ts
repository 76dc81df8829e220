/**
 * A program with tracepoints that nobody records: no process, no file, no library.
 * And one that cannot be recorded: it is told once, and runs as it always does.
 */
import { expect, setDefaultTimeout, test } from "bun:test";
import { cpSync, existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";

import { loadNative } from "../../src/record/native.ts";
import { Place } from "../support/place.ts";
import { run } from "../support/run.ts";

setDefaultTimeout(120_000);

const PROGRAM = join(import.meta.dirname, "programs/untraced.ts");

test("a program that is not traced starts, makes and loads nothing", async () => {
  await using place = new Place();
  const sessionDir = join(place.dir, "sessions");
  const options = { traced: false, env: { BUNTRACE_SESSION_DIR: sessionDir } };
  const { status, stdout, stderr } = await run(place, PROGRAM, options);
  expect([status, stderr]).toEqual([0, ""]);
  expect(JSON.parse(stdout)).toEqual({
    enabled: false,
    returned: [5, 7, 0],
    library: false,
    children: [],
    worker: { library: false, enabled: false },
  });
  expect(existsSync(sessionDir)).toBe(false);
  expect(readdirSync(place.dir)).toEqual(["trace"]);
});

/** The binaries' directory of this machine. */
function binariesDir(): string {
  const native = loadNative();
  if (typeof native === "string") throw new Error(native);
  return join(native.consumerPath, "..");
}

interface Unsupported {
  readonly name: string;
  readonly env: Record<string, string>;
  /** The warning after "buntrace: ". */
  readonly says: RegExp;
}

const UNSUPPORTED: readonly Unsupported[] = [
  {
    name: "BUN_JSC_useJIT=0",
    env: { BUN_JSC_useJIT: "0" },
    says: /^bun:ffi needs the JIT, and BUN_JSC_useJIT=0 switches it off; nothing is recorded$/,
  },
  {
    name: "another platform",
    env: { FAKE_PLATFORM: "darwin" },
    says: /^darwin-\w+ is not supported \(Linux x64 and arm64 are\); nothing is recorded$/,
  },
  {
    name: "no binaries",
    env: { BUNTRACE_BINARIES: "/nonexistent" },
    says: /^its library cannot be loaded: .*\/nonexistent.*; nothing is recorded$/,
  },
];

test.each(UNSUPPORTED.map((one) => [one.name, one] as const))(
  "%s: one warning, nothing recorded, the program runs",
  async (_, { env, says }) => {
    await using place = new Place();
    const program = join(import.meta.dirname, "programs/unsupported.ts");
    const plain = await run(place, program, { traced: false });
    for (const preloaded of [false, true]) {
      const { stdout, stderr, status } = await run(place, program, {
        env: { ...env, OPEN: preloaded ? "" : "1" },
        ...(preloaded
          ? { bunArgs: [`--preload=${join(import.meta.dirname, "programs/fake-platform.ts")}`] }
          : {}),
        traced: preloaded,
      });
      expect([stdout, status]).toEqual([plain.stdout, plain.status]);
      const lines = stderr.split("\n").filter((line) => line !== "");
      expect(lines.length).toBe(1);
      expect(lines[0]).toStartWith("buntrace: ");
      expect(lines[0]?.slice("buntrace: ".length)).toMatch(says);
      expect([readdirSync(place.output), place.sessions()]).toEqual([[], []]);
    }
  },
);

test("a consumer that is not there: one warning, nothing left behind, the program runs", async () => {
  await using place = new Place();
  const binaries = join(place.dir, "binaries");
  mkdirSync(binaries);
  cpSync(join(binariesDir(), "libbuntrace.so"), join(binaries, "libbuntrace.so"));
  const program = join(import.meta.dirname, "programs/unsupported.ts");
  const { stdout, stderr, status } = await run(place, program, { env: { BUNTRACE_BINARIES: binaries } });
  expect([stdout, status]).toEqual(["ran\n", 3]);
  expect(stderr).toMatch(
    /^buntrace: the consumer \S+\/buntrace-consumer cannot be started: No such file or directory; nothing is recorded\n$/,
  );
  expect([readdirSync(place.output), place.sessions()]).toEqual([[], []]);
});
