/**
 * Time: readings of real time that a program takes around its events lie around
 * the events' times in the trace, time never goes back in a stream, and two
 * processes recorded together merge in the order in which things happened.
 */
import { expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";

import { babeltrace, readTrace } from "../support/babeltrace.ts";
import { onlyTrace } from "../support/packets.ts";
import { Place } from "../support/place.ts";
import { runJson, start } from "../support/run.ts";

setDefaultTimeout(120_000);

const PROGRAMS = join(import.meta.dirname, "programs");

/** What the trace's clock may be off, nanoseconds. */
const TOLERANCE_NS = 10_000n;

interface Readings {
  /** Real time before and after the event of that number, nanoseconds. */
  readonly times: readonly (readonly [before: string, after: string])[];
}

test.each(["cycles", "monotonic"] as const)("readings around events, %s", async (clock) => {
  await using place = new Place();
  const { times } = (await runJson(place, join(PROGRAMS, "readings.ts"), {
    args: ["3000", "400"],
    session: { clock },
  })) as Readings;
  const events = await readTrace(place.output);
  expect(events.map(({ fields }) => fields["n"])).toEqual(times.map((_, n) => n));
  // An event lies between its two readings, however far apart the scheduler puts
  // those: what is asked of the clock holds for all of them, and says most of
  // the narrow ones.
  for (const [n, [before, after]] of times.entries()) {
    const time = events[n]?.timeNs ?? 0n;
    if (time < BigInt(before) - TOLERANCE_NS || time > BigInt(after) + TOLERANCE_NS)
      throw new Error(`event ${n} at ${time}, between readings ${before} and ${after}`);
  }
  const widths = times.map(([before, after]) => Number(BigInt(after) - BigInt(before)));
  expect(Math.min(...widths)).toBeLessThan(Number(TOLERANCE_NS));
});

test.each(["cycles", "monotonic"] as const)("time does not go back in a stream, %s", async (clock) => {
  await using place = new Place();
  await runJson(place, join(PROGRAMS, "readings.ts"), { args: ["20000"], session: { clock } });
  const times = (await readTrace(place.output)).map(({ timeNs }) => timeNs);
  expect(times.length).toBe(20_000);
  expect(times.every((time, i) => i === 0 || time >= (times[i - 1] ?? 0n))).toBe(true);
});

test("two processes recorded together merge in the order of what they did", async () => {
  await using place = new Place();
  const programs = [start(place, join(PROGRAMS, "turns.ts"), { stdin: "pipe" })];
  programs.push(start(place, join(PROGRAMS, "turns.ts"), { stdin: "pipe" }));
  const turns = 60;
  const readers = programs.map(({ stdout }) => stdout.getReader());
  const expected: (readonly [pid: number | undefined, n: number])[] = [];
  for (let n = 0; n < turns; n++) {
    // The next one emits only after the one before has said that it has.
    const which = n % 3 === 0 ? 0 : 1;
    const stdin = programs[which]?.stdin;
    if (stdin === undefined) throw new Error("no stdin");
    stdin.write(`${n}\n`);
    await stdin.flush();
    await readers[which]?.read();
    expected.push([programs[which]?.pid, n]);
  }
  for (const program of programs) {
    await program.stdin?.end();
    expect(await program.exited).toBe(0);
  }
  await place.recorded();
  expect(readdirSync(place.output).length).toBe(2);
  const events = await readTrace(place.output);
  expect(events.map(({ tid, fields }) => [tid, fields["n"]])).toEqual(expected.map(([pid, n]) => [pid, n]));
});

test("the metadata says which clock it is, and how fast it goes", async () => {
  for (const clock of ["cycles", "monotonic"] as const) {
    await using place = new Place();
    await runJson(place, join(PROGRAMS, "readings.ts"), { args: ["1"], session: { clock } });
    const metadata = await Bun.file(join(onlyTrace(place.output), "metadata")).text();
    const frequency = Number(/freq = +(\d+);/.exec(metadata)?.[1]);
    // Readers put traces on one line of time only if their clocks have one UUID: LTTng's is that of the boot.
    const boot = (await Bun.file("/proc/sys/kernel/random/boot_id").text()).trim();
    const { stdout } = await babeltrace([place.output, "--component=sink.text.details"]);
    expect(stdout).toMatch(new RegExp(`clock class:[^]*?UUID: ${boot}\n`, "i"));
    if (clock === "monotonic") expect(frequency).toBe(1_000_000_000);
    else expect(frequency).toBeGreaterThan(1_000_000);
  }
});
