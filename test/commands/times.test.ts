/**
 * Times that are shown and that users write, beside babeltrace2: in zones that are not UTC, at the bounds of seconds,
 * before 1970, long after the begin, and after the begin in all units. Needs Debian's tzdata.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";

import { HEAD, packet, streamBlock, writeTrace } from "../ctf/hand-made.ts";
import { babeltrace } from "../support/babeltrace.ts";
import { cli } from "../support/cli.ts";
import { Place } from "../support/place.ts";

setDefaultTimeout(120_000);

const place = new Place();
const trace = join(place.dir, "trace");
afterAll(() => place[Symbol.asyncDispose]());

beforeAll(() => {
  // Events half an hour apart, over two midnights; the last but one packet has lost some.
  const metadata = `${HEAD}${streamBlock()} event { name = "a:b"; id = 0; stream_id = 0; };`;
  const times = Array.from({ length: 60 }, (_none, at) => BigInt(at) * 1_800_000_000_000n + BigInt(at));
  const first = packet(times.slice(0, 30).map((time) => ({ time })));
  const second = packet(
    times.slice(30).map((time) => ({ time })),
    { sequence: 1n, discarded: 5n },
  );
  writeTrace(trace, { metadata, one: Buffer.concat([first, second]) });
});

/** `YYYY-MM-DD hh:mm:ss.nnnnnnnnn` of each event, and of each loss from and to, as babeltrace2 has them. */
async function wallTimes(zone: string, utc: boolean): Promise<{ events: string[]; losses: string[] }> {
  const args = ["--clock-date", ...(utc ? ["--clock-gmt"] : []), trace];
  const { stdout, stderr } = await babeltrace(args, { TZ: zone });
  const times = (text: string): string[] =>
    [...text.matchAll(/\[(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{9})\]/g)].map(([, time]) => time ?? "");
  return { events: times(stdout), losses: times(stderr) };
}

test.each<[zone: string, utc: boolean]>([
  // Not whole hours away; another day than in UTC at the begin.
  ["America/St_Johns", false],
  ["Pacific/Auckland", false],
  ["Pacific/Auckland", true],
])("%s, with --utc: %p", async (zone, utc) => {
  const run = async (...args: string[]): Promise<{ stdout: string; stderr: string }> => {
    const { stdout, stderr, status } = await cli(place, [...args, ...(utc ? ["--utc"] : [])], { TZ: zone });
    expect(status).toBe(0);
    return { stdout, stderr };
  };
  const count = async (...args: string[]): Promise<number> =>
    (await run("print", trace, ...args)).stdout.split("\n").length - 1;
  const { events, losses } = await wallTimes(zone, utc);
  expect([events.length, losses.length]).toEqual([60, 2]);

  // As they are shown, with the date and without; losses too.
  const shown = await run("print", trace, "--date");
  expect(shown.stdout.split("\n").map((line) => line.slice(1, 30))).toEqual([...events, ""]);
  expect(shown.stderr).toContain(`between [${losses[0]}] and [${losses[1]}] in stream one`);
  const dateless = await run("print", trace);
  expect(dateless.stdout.split("\n").map((line) => line.slice(1, 19))).toEqual([
    ...events.map((time) => time.slice(11)),
    "",
  ]);
  const exported = await run("export", trace, "--to", "csv");
  expect(exported.stderr).toContain(
    `between [${losses[0]?.slice(11)}] and [${losses[1]?.slice(11)}] in stream one`,
  );
  const about = (await run("info", trace)).stdout;
  expect(about).toContain(`begin:      ${events[0]}\n`);
  expect(about).toContain(`end:        ${events.at(-1)} (`);

  // As they are written: a time without a day is one of the day of the begin.
  for (const at of [0, 17, 41]) {
    expect(await count("--since", events[at] ?? "")).toBe(60 - at);
    expect(await count("--until", events[at]?.replace(" ", "T") ?? "")).toBe(at + 1);
  }
  expect(await count("--since", events[0]?.slice(11) ?? "")).toBe(60);
  expect(await count("--until", events[1]?.slice(11) ?? "")).toBe(2);
  const report = await run("report", trace, "--json", "--since", events[41] ?? "");
  expect(JSON.parse(report.stdout.split("\n")[1] ?? "")).toMatchObject({ name: "a:b", count: 19 });
});

const SECOND = 1_000_000_000n;

test.each<[what: string, clock: string, times: readonly bigint[]]>([
  [
    "at the bounds of seconds, a second apart and nearly",
    "offset_s = 1700000000;",
    [
      0n,
      SECOND - 1n,
      SECOND,
      2n * SECOND,
      3n * SECOND - 1n,
      3n * SECOND - 1n,
      59n * SECOND,
      60n * SECOND,
      61n * SECOND + 1n,
    ],
  ],
  [
    "long after the begin, a nanosecond before a second",
    "offset_s = 1700000000;",
    // Where a double of seconds is no longer exact to the nanosecond.
    [1n, 8_999_999n * SECOND - 1n, 9_000_000n * SECOND - 1n, 9_000_000n * SECOND, 9_007_199n * SECOND - 1n],
  ],
  [
    "longer after the begin than doubles have nanoseconds",
    "offset_s = 1700000000;",
    [1n, 9_007_200n * SECOND + 3n, 500_000_000n * SECOND + 7n, 500_000_000n * SECOND + 8n],
  ],
  ["of a clock that has no zero", "", [0n, 5n, SECOND, 86_400n * SECOND + 1n]],
])("%s: as babeltrace2 shows them", async (_what, clock, times) => {
  const directory = join(place.dir, `shown-${clock}-${times.length}`.replace(/\W+/g, "-"));
  const head = HEAD.replace("offset_s = 1700000000; offset = 5;", clock);
  expect(head === HEAD).toBe(false);
  writeTrace(directory, {
    metadata: `${head}${streamBlock()} event { name = "a:b"; id = 0; stream_id = 0; };`,
    one: packet(times.map((time) => ({ time }))),
  });
  for (const [ours, theirs] of [
    [[], []],
    [["--date"], ["--clock-date"]],
    [["--time", "epoch"], ["--clock-seconds"]],
  ] as const) {
    const { stdout } = await babeltrace(["--clock-gmt", ...theirs, directory]);
    expect((await cli(place, ["print", directory, "--utc", ...ours])).stdout).toBe(stdout);
  }
  // After the first event, and after the one before.
  const seconds = (time: bigint): string => `${time / SECOND}.${String(time % SECOND).padStart(9, "0")}`;
  const lines = async (form: string): Promise<string[]> =>
    (await cli(place, ["print", directory, "--time", form])).stdout.trimEnd().split("\n");
  const [first = 0n] = times;
  expect((await lines("relative")).map((line) => line.slice(0, line.indexOf("]")))).toEqual(
    times.map((time) => `[+${seconds(time - first)}`),
  );
  expect((await lines("delta")).map((line) => line.slice(0, line.indexOf(")")))).toEqual(
    times.map((time, at) => `(+${at === 0 ? "?.?????????" : seconds(time - (times[at - 1] ?? 0n))}`),
  );
});

test("from before 1970 to after: seconds before it, then the wall clock", async () => {
  // Not as babeltrace2, whose wall clock goes backwards there without a sign.
  const times = [0n, SECOND - 6n, SECOND - 5n, 3n * SECOND - 6n, 3n * SECOND - 5n, 4n * SECOND];
  const directory = writeTrace(join(place.dir, "early"), {
    metadata: `${HEAD.replace("offset_s = 1700000000;", "offset_s = -3;")}${streamBlock()} event { name = "a:b"; id = 0; stream_id = 0; };`,
    one: packet(times.map((time) => ({ time }))),
  });
  const { stdout } = await cli(place, ["print", directory, "--utc"]);
  expect(stdout.split("\n").map((line) => line.slice(0, line.indexOf(" a:b")))).toEqual([
    "[-2.999999995] (+?.?????????)",
    "[-2.000000001] (+0.999999994)",
    "[-2.000000000] (+0.000000001)",
    "[-0.000000001] (+1.999999999)",
    "[00:00:00.000000000] (+0.000000001)",
    "[00:00:01.000000005] (+1.000000005)",
    "",
  ]);
  expect((await cli(place, ["info", directory, "--utc"])).stdout).toContain(
    "zero at -2.999999995\nbegin:      -2.999999995\nend:        1970-01-01 00:00:01.000000005 (4.000 s later)\n",
  );
  const json = (await cli(place, ["print", directory, "--json"])).stdout.trim().split("\n");
  expect(json.map((line) => (JSON.parse(line) as { time: string }).time)).toEqual([
    "-2.999999995",
    "-2.000000001",
    "-2.000000000",
    "-0.000000001",
    "0.000000000",
    "1.000000005",
  ]);
});

test.each([
  ["+45m", 2_700_000_000_000n],
  ["+0.5m", 30_000_000_000n],
  ["+1800s", 1_800_000_000_000n],
  ["+1800.000000001s", 1_800_000_000_001n],
  ["+1800.000000002s", 1_800_000_000_002n],
  ["+3600000.000002ms", 3_600_000_000_002n],
  ["+3600000000.003us", 3_600_000_000_003n],
  ["+3600000000002ns", 3_600_000_000_002n],
])("%s after the begin", async (text, after) => {
  // The begin is the first event's time, and event N is N half hours and N nanoseconds after it.
  const times = Array.from({ length: 60 }, (_none, at) => BigInt(at) * 1_800_000_000_001n);
  for (const [option, passes] of [
    ["--since", times.filter((time) => time >= after)],
    ["--until", times.filter((time) => time <= after)],
  ] as const) {
    const { stdout } = await cli(place, ["print", trace, option, text]);
    expect([option, stdout.split("\n").length - 1]).toEqual([option, passes.length]);
  }
});

test.each([
  "2023-02-30 10:00:00",
  "2023-13-01 10:00:00",
  "10:60:00",
  "+1",
  "+1h",
  "12345678",
  "1700000000.1234567890",
])("%s is no time", async (text) => {
  const { stdout, stderr, status } = await cli(place, ["print", trace, "--since", text]);
  expect([stdout, status]).toEqual(["", 2]);
  expect(stderr).toMatch(/^buntrace: --since .*: not a time; write .*\n$/);
});
