/**
 * What is lost, in every command that reads traces: each loss once, in its place, whichever streams lie beside; what
 * nobody counted; spans whose begins or ends are lost. On traces made by hand; losses are those that babeltrace2 tells.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { cpSync } from "node:fs";
import { join } from "node:path";

import { HEAD, packet, type PacketOptions, streamBlock, writeTrace } from "../ctf/hand-made.ts";
import { writeForest } from "../spans/forest.ts";
import type { Told } from "../spans/oracle.ts";
import { babeltrace } from "../support/babeltrace.ts";
import { cli, CLI } from "../support/cli.ts";
import { Place } from "../support/place.ts";
import { Random } from "../support/random.ts";

setDefaultTimeout(120_000);

const place = new Place();
afterAll(() => place[Symbol.asyncDispose]());

const METADATA = `${HEAD}${streamBlock()} event { name = "a:b"; id = 0; stream_id = 0; };`;

/** Packets of two events each. */
class Least extends Random {
  override below(): number {
    return 1;
  }
}

/** Events at some times. */
function at(times: readonly bigint[], options: PacketOptions): Uint8Array {
  return packet(
    times.map((time) => ({ time })),
    options,
  );
}

beforeAll(() => {
  // Two streams whose events take turns, so that each packet is given out in many runs.
  const one = [
    at([10n, 20n, 30n], { instance: 0n, sequence: 0n }),
    at([40n, 50n, 60n], { instance: 0n, sequence: 1n, discarded: 4n }),
    at([70n, 80n, 90n], { instance: 0n, sequence: 4n, discarded: 4n }),
  ];
  const two = [
    at([15n, 25n, 35n], { instance: 1n, sequence: 0n }),
    at([45n, 55n, 65n, 75n, 85n], { instance: 1n, sequence: 1n, discarded: 1n }),
  ];
  writeTrace(join(place.dir, "turns"), {
    metadata: METADATA,
    one: Buffer.concat(one),
    two: Buffer.concat(two),
  });
  // The first packet that there is says that some were lost, and not how many since the begin.
  writeTrace(join(place.dir, "headless"), {
    metadata: METADATA,
    one: Buffer.concat([
      at([10n, 20n], { sequence: 7n, discarded: 9n }),
      at([30n], { sequence: 8n, discarded: 11n }),
    ]),
  });
});

type Line = Readonly<Record<string, unknown>>;

async function json(...args: string[]): Promise<Line[]> {
  const { stdout, stderr, status } = await cli(place, [...args, "--json"]);
  expect([stderr, status]).toEqual(["", 0]);
  return stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Line);
}

/** Losses that a text tells: how many of what, from and to. */
function tellings(text: string): string[] {
  return [...text.matchAll(/(\d+) (event|packet)s? .*?between \[(.*?)\] and \[(.*?)\]/g)]
    .map(([, count, what, from, to]) => `${count} ${what} ${from} ${to}`)
    .toSorted();
}

test("print and export tell each loss once, as babeltrace2 does", async () => {
  const theirs = tellings((await babeltrace(["--clock-gmt", join(place.dir, "turns")])).stderr);
  expect(theirs).toHaveLength(3);
  const printed = await cli(place, ["print", "turns", "--utc"]);
  expect(tellings(printed.stderr)).toEqual(theirs);
  expect(printed.stderr.trimEnd().split("\n")).toHaveLength(3);
  for (const format of ["csv", "chrome", "otlp-json-logs"]) {
    const { stderr } = await cli(place, ["export", "turns", "--to", format, "--utc"]);
    expect([format, tellings(stderr)]).toEqual([format, theirs]);
  }
});

test("print tells them where they are: after the events of the stream that come before", async () => {
  // Both on one pipe, as on a terminal.
  const shell = Bun.spawnSync(
    ["bash", "-c", '"$@" 2>&1', "-", process.execPath, CLI, "print", "turns", "--utc"],
    {
      cwd: place.dir,
      env: { ...process.env, NO_COLOR: "1" },
    },
  );
  const text = shell.stdout.toString();
  const places = text.split("\n").flatMap((line): (string | number)[] => {
    const [, count, what, stream] = /^warning: (\d+) (event|packet)s? .* in stream (\w+)$/.exec(line) ?? [];
    if (count !== undefined) return [`${count} ${what} ${stream}`];
    const [, time] = /^\[22:13:20\.0000000(\d\d)\]/.exec(line) ?? [];
    return time === undefined ? [] : [Number(time) - 5];
  });
  const before = (loss: string): number[] =>
    places.slice(0, places.indexOf(loss)).filter((one) => typeof one === "number");
  const after = (loss: string): number[] =>
    places.slice(places.indexOf(loss)).filter((one) => typeof one === "number");
  for (const [loss, last, next] of [
    ["4 event one", 30, 40],
    ["2 packet one", 60, 70],
    ["1 event two", 35, 45],
  ] as const) {
    expect(before(loss)).toContain(last);
    expect(after(loss)).toContain(next);
  }
  const lines = await json("print", "turns");
  expect(lines.filter((line) => "discarded_events" in line || "lost_packets" in line)).toMatchObject([
    { discarded_events: 4, stream_file: "one" },
    { discarded_events: 1, stream_file: "two" },
    { lost_packets: 2, stream_file: "one" },
  ]);
});

test("sums of losses, and what nobody counted", async () => {
  expect((await json("report", "turns"))[0]).toMatchObject({
    discarded_events: 5,
    lost_packets: 2,
    uncounted_losses: false,
  });
  const [, lost] = (await cli(place, ["report", "turns"])).stdout.split("\n");
  expect(lost).toBe("lost: 5 events discarded, 2 packets, their events not counted");
  expect((await json("info", "turns"))[0]).toMatchObject({
    streams: [
      { name: "one", events: 9, packets: 3, discarded_events: 4, lost_packets: 2 },
      { name: "two", events: 8, packets: 2, discarded_events: 1, lost_packets: 0 },
    ],
  });

  expect((await json("report", "headless"))[0]).toMatchObject({
    discarded_events: 2,
    lost_packets: 0,
    uncounted_losses: true,
  });
  const [, headless] = (await cli(place, ["report", "headless"])).stdout.split("\n");
  expect(headless).toBe("lost: 2 events discarded, events before the begin of the trace");
  expect((await json("print", "headless"))[0]).toMatchObject({
    discarded_events: null,
    from: "1700000000.000000015",
    to: "1700000000.000000025",
  });
  expect((await cli(place, ["print", "headless"])).stderr).toMatch(
    /^warning: some events may have been discarded between .*\nwarning: 2 events were discarded between .*\n$/,
  );
  const info = (await cli(place, ["info", "headless"])).stdout;
  expect(info).toContain("\nlost:       2 events discarded, and some that were not counted\n");
  expect(info).toMatch(/^one +cpu_id 0 +3 +2 +\d+ +unknown +0$/m);
  expect((await json("info", "headless"))[0]).toMatchObject({ streams: [{ discarded_events: null }] });
  const logs = (await cli(place, ["export", "headless", "--to", "otlp-json-logs"])).stdout;
  expect(logs).toContain('"body":{"stringValue":"some events discarded"}');
});

test("spans whose begins or ends are lost: which, as far as the filter wants them", async () => {
  const of = (kind: "begin" | "end", name: string, time: number, id: number): Told => {
    return { stream: 0, kind, name, time, id, own: id };
  };
  const lost = [of("end", "sql:query", 40, 2), of("begin", "fs:read", 50, 3)];
  const kept = [
    of("begin", "http:request", 10, 1),
    of("begin", "sql:query", 20, 2),
    of("end", "fs:read", 60, 3),
    // The id comes again: the query that had it has ended, nobody knows when.
    of("begin", "sql:query", 70, 2),
    of("end", "sql:query", 80, 2),
    of("begin", "cache:lookup", 90, 4),
  ];
  writeForest(join(place.dir, "spans"), new Least(1), { kept, discarded: lost });
  const sums = async (...args: string[]): Promise<Line> => (await json("report", "spans", ...args))[0] ?? {};
  expect(await sums()).toMatchObject({ ends_without_begin: 1, begins_without_end: 1 });
  expect(await sums("-e", "fs:read")).toMatchObject({ ends_without_begin: 1, begins_without_end: 0 });
  expect(await sums("-e", "sql:query")).toMatchObject({ ends_without_begin: 0, begins_without_end: 1 });
  expect(await sums("-e", "http:*")).toMatchObject({ ends_without_begin: 0, begins_without_end: 0 });
  const { stdout } = await cli(place, ["report", "spans"]);
  expect(stdout).toContain("\nnot counted as spans: 1 end without a begin, 1 begin without an end\n");
  // Which of the two that run may have ended: that which ran when events were lost.
  const all = (await json("report", "spans")).filter(({ kind }) => kind === "span");
  expect(all.map(({ name, count, running, maybe_ended: maybe }) => [name, count, running, maybe])).toEqual([
    ["sql:query", 1, 0, 0],
    ["cache:lookup", 0, 1, 0],
    ["http:request", 0, 1, 1],
  ]);
});

test("damage: it is told, the rest is read, and the status is 1, whatever the command", async () => {
  const directory = join(place.dir, "damaged");
  cpSync(join(place.dir, "spans"), directory, { recursive: true });
  writeTrace(directory, { "thread-101": packet([{ id: 99, time: 15n }], { instance: 1n, cpu: 101 }) });
  for (const args of [
    ["print"],
    ["print", "--json"],
    ["report"],
    ["graph"],
    ["hist", "sql:query"],
    ["hist", "sql:query_begin", "sql:query_end"],
    ["diff", "damaged"],
    ["diff", "spans"],
    ["info"],
    ["open", "--export", "page.html"],
    ["export", "--to", "csv"],
    ["export", "--to", "perfetto"],
  ]) {
    const [command = "", ...more] = args;
    const { stdout, stderr, status } = await cli(place, [command, "damaged", ...more]);
    expect([args, status]).toEqual([args, 1]);
    expect(stderr).toContain("warning: ");
    expect(stderr).toContain("damaged/thread-101, packet 0, ");
    expect(stdout + stderr).toMatch(/sql:query|a page of|event/);
  }
});
