/**
 * Directories removed while they are recorded into: the program notices nothing, every
 * event is in the trace or counted, and the recording goes on in the same place when
 * that can be made again: as soon as the output directory is there.
 */
import { expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readlinkSync, renameSync, rmSync, statSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";

import { readIncomplete, readReport } from "../support/babeltrace.ts";
import { onlyTrace, streamFiles } from "../support/packets.ts";
import { Place } from "../support/place.ts";
import { consumersOf, waitFor } from "../support/processes.ts";
import { Obedient } from "./obedient.ts";

setDefaultTimeout(120_000);

const SMALL = { subBufferSize: 4096, subBuffers: 2, flushPeriod: 20 } as const;

/** Numbers of a trace's events, with their discarded count. */
async function numbersIn(output: string): Promise<{ numbers: number[]; discarded: number }> {
  const { events, discarded } = await readReport(output);
  return { numbers: events.map(({ fields }) => Number(fields["n"])), discarded };
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}

test("the trace directory: it is made again, and what was in it is counted", async () => {
  await using place = new Place();
  const program = new Obedient(place, SMALL);
  await program.tell("emit 100");
  await program.tell("declare");
  expect(await program.tell("flush")).toMatchObject({ recorded: 101, dropped: 0 });
  const trace = onlyTrace(place.output);
  rmSync(trace, { recursive: true });
  await waitFor("it to be there again", () => existsSync(join(trace, "metadata")));
  // Types from before and new ones.
  await program.tell("emit 100");
  await program.tell("declare");
  expect(await program.tell("flush")).toEqual({
    emitted: 202,
    recorded: 101,
    bytes: statSync(join(trace, streamFiles(trace)[0] ?? "")).size,
    discarded: 0,
    dropped: 101,
    writeErrno: 0,
  });
  expect(await numbersIn(place.output)).toEqual({ numbers: range(101, 202), discarded: 0 });
  // And once more.
  rmSync(trace, { recursive: true });
  await waitFor("it to be there again", () => existsSync(join(trace, "metadata")));
  await program.tell("emit 100");
  expect(await program.tell("flush")).toMatchObject({ recorded: 100, dropped: 202, discarded: 0 });
  const [consumer] = consumersOf(place.sessionDir);
  const open = readdirSync(`/proc/${consumer}/fd`).map((fd) => readlinkSync(`/proc/${consumer}/fd/${fd}`));
  expect(open.filter((path) => path.endsWith(" (deleted)"))).toEqual([]);
  await program.tell("emit 100");
  expect(await program.end()).toBe("");
  await place.recorded();
  expect(await numbersIn(place.output)).toEqual({ numbers: range(202, 402), discarded: 0 });
});

test("the output directory: events are discarded and counted until it is there again", async () => {
  await using place = new Place();
  const program = new Obedient(place, SMALL);
  await program.tell("emit 100");
  await program.tell("flush");
  rmSync(place.output, { recursive: true });
  // Twenty times what its ring holds.
  await program.tell("emit 20000");
  const without = await program.until("the consumer to notice", ({ writeErrno }) => writeErrno !== 0);
  expect(without.writeErrno).toBe(constants.errno.ENOENT);
  mkdirSync(place.output);
  await program.until("the recording to go on", ({ writeErrno }) => writeErrno === 0);
  await program.tell("flush");
  await program.tell("emit 10");
  const { emitted, recorded, discarded, dropped } = await program.tell("flush");
  expect([emitted, recorded + discarded + dropped]).toEqual([20_110, 20_110]);
  expect(dropped).toBe(100);
  expect(await program.end()).toBe("");
  await place.recorded();
  const read = await numbersIn(place.output);
  expect([read.numbers.length, read.discarded]).toEqual([recorded, discarded]);
  expect(read.numbers.slice(-10)).toEqual(range(20_100, 20_110));
});

test("the output directory, and it never comes back: the program ends as ever, nothing stays behind", async () => {
  await using place = new Place();
  const program = new Obedient(place, SMALL);
  await program.tell("emit 100");
  await program.tell("flush");
  rmSync(place.output, { recursive: true });
  await program.tell("emit 100");
  expect(await program.end()).toBe("");
  await place.recorded();
  mkdirSync(place.output);
});

test("a chunk's directory, the one being written or an old one: the next one goes on", async () => {
  await using place = new Place();
  const program = new Obedient(place, { ...SMALL, rotateSize: 4096, mode: "block", blockTimeout: 60_000 });
  await program.tell("emit 2000");
  await program.tell("flush");
  // The first one has the metadata that new event types are appended to.
  const [first = ""] = readdirSync(place.output).sort();
  rmSync(join(place.output, first), { recursive: true });
  await waitFor("it to be there again", () => existsSync(join(place.output, first, "metadata")));
  await program.tell("declare");
  await program.tell("emit 2000");
  const before = await program.tell("flush");
  const newest = readdirSync(place.output)
    .map((name) => Number(name.split(".").at(1) ?? 0))
    .reduce((a, b) => Math.max(a, b));
  rmSync(join(place.output, `${first}.${newest}`), { recursive: true });
  await program.tell("emit 2000");
  await program.tell("declare");
  const after = await program.tell("flush");
  expect(after.emitted).toBe(6002);
  expect(after.recorded + after.discarded + after.dropped).toBe(6002);
  expect(after.dropped).toBeGreaterThan(before.dropped);
  expect(await program.end()).toBe("");
  await place.recorded();
  const { events, lostPackets } = await readIncomplete(place.output);
  const numbers = events.map(({ fields }) => Number(fields["n"]));
  expect(lostPackets).toBeGreaterThan(0);
  // Gone: what was in the first, which nobody wrote to any more, and in the newest.
  expect(numbers.slice(-2001)).toEqual(range(4001, 6002));
  expect(new Set(numbers).size).toBe(numbers.length);
});

test("an output that is moved away: the recording goes on in it", async () => {
  await using place = new Place();
  const program = new Obedient(place, { ...SMALL, rotateSize: 4096 });
  await program.tell("emit 500");
  await program.tell("flush");
  const moved = `${place.output}.moved`;
  renameSync(place.output, moved);
  for (let i = 0; i < 5; i++) {
    await program.tell("emit 500");
    await program.tell("flush");
  }
  expect(await program.end()).toBe("");
  await place.recorded();
  expect((await numbersIn(moved)).numbers).toEqual(range(0, 3000));
});
