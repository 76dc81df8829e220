/**
 * Files in the session directory that are named as sessions and have no header to read:
 * `list` and `recover` name them, `recover --discard` removes them and nothing else.
 */
import { expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { HEADER_BYTES, SESSION_OFFSETS, SESSION_VERSION } from "../../src/record/session-file.ts";
import { cli } from "../support/cli.ts";
import { Place } from "../support/place.ts";

setDefaultTimeout(60_000);

/** Above the largest pid that Linux gives out: a program that is gone. */
const NO_PID = 2 ** 23;

/** A header of the next version. */
function ofNextVersion(): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.write("BUNTRACE");
  header.writeUInt32LE(SESSION_VERSION + 1, SESSION_OFFSETS.version);
  return header;
}

const VERSION = `a session file of version ${SESSION_VERSION + 1}; this buntrace reads version ${SESSION_VERSION}`;

test("each is named with what is wrong, and --discard removes those that nobody can be using", async () => {
  await using place = new Place();
  const path = (name: string): string => join(place.sessionDir, name);
  const target = join(place.dir, "target");
  const inUse = `${process.pid}-use.session`;
  writeFileSync(target, "");
  writeFileSync(path(`${NO_PID}-empty.session`), "");
  writeFileSync(path(`${NO_PID}-magic.session`), Buffer.alloc(HEADER_BYTES));
  writeFileSync(path(`${NO_PID}-short.session`), "BUNTRACE");
  writeFileSync(path(`${NO_PID}-version.session`), ofNextVersion());
  writeFileSync(path("no pid\u001b.session"), ofNextVersion());
  symlinkSync(target, path(`${NO_PID}-link.session`));
  mkdirSync(path(`${NO_PID}-dir.session`));
  writeFileSync(path(inUse), ofNextVersion());
  writeFileSync(path("notes.txt"), "");
  // A program that runs is just writing its header.
  writeFileSync(path(`${process.pid}-new.session`), "");

  const lines = async (args: readonly string[], expected: number): Promise<string[]> => {
    const { stdout, stderr, status } = await cli(place, args);
    expect([stdout, status]).toEqual([
      args.includes("--json") || args[0] !== "list" ? "" : NOTHING,
      expected,
    ]);
    return stderr.trimEnd().split("\n").toSorted();
  };
  const all = (rest: string, ofDir: string, ofInUse: string): string[] =>
    [
      `${NO_PID}-empty.session: not a session file; ${rest}`,
      `${NO_PID}-magic.session: not a session file; ${rest}`,
      `${NO_PID}-short.session: not a session file: too short; ${rest}`,
      `${NO_PID}-version.session: ${VERSION}; ${rest}`,
      `no pid?.session: ${VERSION}; ${rest}`,
      `${NO_PID}-link.session: a symbolic link; ${rest}`,
      `${NO_PID}-dir.session: not a file; ${ofDir}`,
      `${inUse}: ${VERSION}; ${ofInUse}`,
    ].map((line) => `buntrace: ${path(line)}`);
  const NOTHING = "no program is being recorded\n";

  const removes = "buntrace recover --discard removes it";
  for (const args of [["list"], ["list", "--json"]])
    expect(await lines(args, 0)).toEqual(
      all(removes, removes, `a process ${process.pid} may be recorded to it`).toSorted(),
    );
  expect(await lines(["recover"], 1)).toEqual(
    [
      ...all("not recovered", "not recovered", "not recovered"),
      "buntrace: 8 of 8 sessions could not be recovered; --discard removes what cannot be",
    ].toSorted(),
  );
  for (const args of [["flush"], ["disable", "*"]])
    expect(await lines([args[0]!, String(process.pid), ...args.slice(1)], 1)).toEqual([
      `buntrace: ${path(inUse)}: ${VERSION}`,
    ]);
  expect(readdirSync(place.sessionDir)).toHaveLength(10);
  const stays = `it stays: a process ${process.pid} runs, and may be recorded to it`;
  expect(await lines(["recover", "--discard", String(process.pid)], 1)).toEqual(
    [
      `buntrace: ${path(inUse)}: ${VERSION}; ${stays}`,
      "buntrace: 1 of 1 session could not be removed",
    ].toSorted(),
  );
  expect(readdirSync(place.sessionDir)).toHaveLength(10);
  expect(await lines(["recover", "--discard"], 1)).toEqual(
    [
      ...all("removed", "it stays: remove it yourself", stays),
      "buntrace: 2 of 8 sessions could not be removed",
    ].toSorted(),
  );
  expect(readdirSync(place.sessionDir).toSorted()).toEqual(
    [inUse, `${process.pid}-new.session`, `${NO_PID}-dir.session`, "notes.txt"].toSorted(),
  );
  expect(existsSync(target)).toBe(true);
});
