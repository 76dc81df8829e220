/**
 * What --where and --by make of fields: booleans and enumerations by label and by number, names that
 * no event has, and options given twice; in every command that reads traces. On traces made by hand.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";

import { HEAD, packet, streamBlock, writeTrace } from "../ctf/hand-made.ts";
import { cli } from "../support/cli.ts";
import { Place } from "../support/place.ts";

setDefaultTimeout(120_000);

const place = new Place();
afterAll(() => place[Symbol.asyncDispose]());

const METADATA = `${HEAD}${streamBlock().replace("cpu_id", "tid")}
event { name = "app:op_begin"; id = 0; stream_id = 0; fields := struct { string path; }; };
event { name = "app:op_end"; id = 1; stream_id = 0; fields := struct {
  enum : u8 { "false" = 0, "true" = 1 } failed;
  enum : u8 { DEBUG = 0, INFO = 1, NOTE = 1, ERROR = 7, OTHER = 8 ... 255 } level;
  u16 status;
  struct { u8 tries; } more;
}; };
event { name = "app:note"; id = 2; stream_id = 0; fields := struct {
  string text;
  enum : u8 { A = 0, B = 1 } tag;
  variant <tag> { u8 A; struct { u8 inner; } B; } either;
  u8 list[2];
}; };`;

/** The bytes of a note. */
const NOTE = Uint8Array.of(104, 105, 0, 1, 5, 6, 7);

/** Of each operation: whether it failed, its level's number, its status. */
const OPERATIONS = [
  [0, 0, 200],
  [0, 1, 200],
  [1, 7, 500],
  [1, 9, 404],
  [0, 1, 302],
] as const;

beforeAll(() => {
  const events = OPERATIONS.flatMap(([failed, level, status], at) => {
    const time = BigInt(at) * 1_000_000n;
    const path = new TextEncoder().encode(`/${at}\0`);
    return [
      { id: 0, time, body: (bits: Bits) => bits.bytes(path) },
      {
        id: 1,
        time: time + 1000n,
        body: (bits: Bits) => bits.bytes(Uint8Array.of(failed, level, status % 256, status >> 8, at)),
      },
    ];
  });
  const note = { id: 2, time: 9_000_000n, body: (bits: Bits) => bits.bytes(NOTE) };
  writeTrace(join(place.dir, "trace"), { metadata: METADATA, one: packet([...events, note]) });
  const onlyNotes = METADATA.replace(/event \{ name = "app:op_.*(?=event \{ name = "app:note")/s, "");
  writeTrace(join(place.dir, "notes"), { metadata: onlyNotes, one: packet([note]) });
});

interface Bits {
  bytes(bytes: Uint8Array): void;
}

/** The indices of the operations that pass, as `print` and `report` have them. */
async function passing(where: string): Promise<{ events: number[]; spans: number[] }> {
  const printed = await cli(place, ["print", "trace", "--json", "-e", "app:op_end", "-w", where]);
  const reported = await cli(place, ["report", "trace", "--json", "--by", "path", "-w", where]);
  const parse = (text: string): Record<string, unknown>[] =>
    text
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line));
  return {
    events: parse(printed.stdout).map(
      (line) => (line as { fields: { more: { tries: number } } }).fields.more.tries,
    ),
    spans: parse(reported.stdout)
      .filter(({ kind }) => kind === "span")
      .map(({ by }) => Number(String(by).slice(1)))
      .sort(),
  };
}

test.each<[string, number[]]>([
  ["failed", [2, 3]],
  ["failed == true", [2, 3]],
  ["failed == 1", [2, 3]],
  ['failed == "true"', [2, 3]],
  ["failed != 0", [2, 3]],
  ["1 == failed", [2, 3]],
  ["failed == false", [0, 1, 4]],
  ["failed == 0", [0, 1, 4]],
  ['failed == "false"', [0, 1, 4]],
  ["failed == 2", []],
  ['failed == "yes"', []],
  ['level == "INFO"', [1, 4]],
  ['"INFO" == level', [1, 4]],
  // The value's other label.
  ['level == "NOTE"', [1, 4]],
  ['level ~ "^NO"', [1, 4]],
  ["level == 1", [1, 4]],
  ["level == 0", [0]],
  ["level >= 1", [1, 2, 4]],
  ["1 <= level", [1, 2, 4]],
  ["level < 7", [0, 1, 4]],
  ["level == 7 || level == 0", [0, 2]],
  ['level != "INFO"', [0, 2, 3]],
  // A label that stands for several values is no number.
  ["level == 9", []],
  ['level == "OTHER"', [3]],
  ["level == level", [0, 1, 2, 3, 4]],
])("--where %p", async (where, operations) => {
  expect(await passing(where)).toEqual({ events: operations, spans: operations });
});

describe("a field that no event has is told, with the nearest names,", () => {
  const COMMANDS = [
    ["print", "trace"],
    ["print", "trace", "--json"],
    ["report", "trace"],
    ["report", "trace", "--json"],
    ["graph", "trace"],
    ["hist", "trace", "app:op"],
    ["hist", "trace", "app:op_begin", "app:op_end"],
    ["diff", "trace", "trace"],
    ["export", "trace", "--to", "csv"],
    ["export", "trace", "--to", "chrome"],
    ["open", "trace", "--export", "page.html"],
  ];
  const told = (stderr: string): string[] =>
    stderr.split("\n").filter((line) => line.includes("has a field"));

  test.each(COMMANDS)("by %p %p %p %p", async (...command) => {
    const args = command.filter((arg) => typeof arg === "string");
    const { stderr } = await cli(place, [...args, "-w", 'pth == "/x" && path != "" && failed == true']);
    expect(told(stderr)).toEqual(["buntrace: no event has a field pth; did you mean path?"]);
    // One event type among several has it; a structure's member, a span's own.
    const isSpans = !["print", "csv"].some((word) => args.includes(word)) && args.length !== 4;
    const fine = `path ~ "/" || status == 200 || more.tries == 1${isSpans ? " || duration > 1us" : ""}`;
    expect(told((await cli(place, [...args, "-w", fine])).stderr)).toEqual([]);
  });

  test.each([
    [
      'stauts == 1 || Path == ""',
      ["no event has a field stauts; did you mean status?", "no event has a field Path; did you mean path?"],
    ],
    ["ptah == 1", ["no event has a field ptah; did you mean path?"]],
    ["more.tires == 1", ["no event has a field more.tires; did you mean more.tries?"]],
    [
      "text == GET -e app:note",
      [
        "no event has a field GET; there are text, tag, either, either.inner, list, tid; texts stand in quotes",
      ],
    ],
    [
      "path == 1 -e app:note",
      [
        "no event has a field path; there are text, tag, either, either.inner, list, tid; texts stand in quotes",
      ],
    ],
    ["either.iner == 1", ["no event has a field either.iner; did you mean either.inner?"]],
    [
      "list.0 == 1 || either.inner == 1 || tid == 1 || list.length",
      [
        "no event has a field list.length; there are path, failed, level, status, more, more.tries and others; texts stand in quotes",
      ],
    ],
    [
      "timestamp_begin == 1",
      [
        "no event has a field timestamp_begin; there are path, failed, level, status, more, more.tries and others; texts stand in quotes",
      ],
    ],
    ["duration > 1ms", ["no event has a field duration: spans have it, in report and graph"]],
    ["pth == 1 -e nosuch", []],
  ])("print --where %p", async (text, lines) => {
    const [where = "", glob = "*"] = text.split(" -e ");
    const { stderr } = await cli(place, ["print", "trace", "-w", where, "-e", glob]);
    expect(told(stderr)).toEqual(lines.map((line) => `buntrace: ${line}`));
  });

  test.each([
    ["foo", "; there are path, failed, level, status, more, more.tries and others"],
    ["pathh", "; did you mean path?"],
    ["tread", "; did you mean thread?"],
  ])("report --by %p", async (by, hint) => {
    const { stderr, status } = await cli(place, ["report", "trace", "--by", by]);
    expect([stderr, status]).toEqual([`buntrace: no event has a field ${by}${hint}\n`, 0]);
  });

  test.each(["thread", "path", "status", "text", "more.tries", "duration"])(
    "but not report --by %p",
    async (by) => {
      expect((await cli(place, ["report", "trace", "--by", by])).stderr).toBe("");
    },
  );

  test("hist asks the events of its names; diff both traces", async () => {
    for (const names of [["app:op"], ["app:op_begin", "app:op_end"]]) {
      const { stderr } = await cli(place, ["hist", "trace", ...names, "-w", 'text == "x"']);
      expect(told(stderr)[0]).toStartWith("buntrace: no event has a field text; there are path, ");
    }
    const both = await cli(place, ["diff", "trace", "notes", "-w", "path == text"]);
    expect([both.stderr, both.status]).toEqual(["", 0]);
    expect(told((await cli(place, ["diff", "notes", "trace", "-w", "pth == text"])).stderr)).toEqual([
      "buntrace: no event has a field pth; did you mean path?",
    ]);
  });

  test("hist --by", async () => {
    const { stderr, status } = await cli(place, [
      "hist",
      "trace",
      "app:op_begin",
      "app:op_end",
      "--by",
      "pth",
    ]);
    expect([stderr, status]).toEqual(["buntrace: no event has a field pth; did you mean path?\n", 1]);
  });
});

test("report --by: values that begin alike are told apart, and cut in the table only", async () => {
  const long = `/${"x".repeat(60)}`;
  const paths = [`${long}/a`, `${long}/b`, `${long}/b`, "/short"];
  const events = paths.flatMap((path, at) => [
    { id: 0, time: BigInt(at * 10), body: (bits: Bits) => bits.bytes(Buffer.from(`${path}\0`)) },
    { id: 1, time: BigInt(at * 10 + 5), body: (bits: Bits) => bits.bytes(new Uint8Array(5)) },
  ]);
  writeTrace(join(place.dir, "alike"), { metadata: METADATA, one: packet(events) });
  const args = ["report", "alike", "--by", "path", "--sort", "count"];
  const spans = (await cli(place, [...args, "--json"])).stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { kind: string; by: string; count: number })
    .filter(({ kind }) => kind === "span");
  expect(spans.map(({ by, count }) => [by, count])).toEqual([
    [`${long}/b`, 2],
    ["/short", 1],
    [`${long}/a`, 1],
  ]);
  const cut = `${long.slice(0, 45)}...`;
  const table = (await cli(place, args)).stdout.split("\n").filter((line) => line.startsWith("app:op "));
  expect(table.map((line) => line.split(/ {2,}/).slice(1, 3))).toEqual([
    [cut, "2"],
    ["/short", "1"],
    [cut, "1"],
  ]);
});

test("hist of one span says what to use instead of --by", async () => {
  const { stderr, status } = await cli(place, ["hist", "trace", "app:op", "--by", "path"]);
  expect(status).toBe(2);
  expect(stderr).toContain("--where 'path == ...'");
  expect(stderr).toContain("report --by path");
});

test("hist --field: the numbers of an event's field", async () => {
  const numbers: number[] = OPERATIONS.map(([, , status]) => status);
  const args = ["hist", "trace", "app:op_end", "--field", "status", "--json"];
  const [summary, ...buckets] = (await cli(place, args)).stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(summary).toMatchObject({
    of: "app:op_end status",
    unit: "event",
    count: numbers.length,
    min_ns: Math.min(...numbers),
    mean_ns: numbers.reduce((sum, one) => sum + one) / numbers.length,
    max_ns: Math.max(...numbers),
  });
  const counted = buckets.map(({ from_ns: from, count }) => [from, count]);
  expect(counted).toEqual([
    [200, 2],
    [302, 1],
    [404, 1],
    [500, 1],
  ]);
  const some = await cli(place, [...args, "-w", "status >= 400"]);
  expect(JSON.parse(some.stdout.split("\n")[0] ?? "")).toMatchObject({ count: 2, min_ns: 404 });
  // Of two kinds of events, one has no such field.
  const mixed = await cli(place, ["hist", "trace", "app:op_*", "--field", "status"]);
  expect(mixed.stdout).toContain("app:op_* status: 5 events, min 200 ns");
  expect(mixed.stdout).toContain("not in it: 5 without such a number");
});

test.each([
  [["app:op_end", "--field", "statos"], 1, "no event has a field statos; did you mean status?"],
  [["app:op_begin", "--field", "path"], 1, "--field path: none of these events has a number there"],
  [["app:nothing", "--field", "status"], 1, "no event app:nothing; see which there are"],
  [["app:op_begin", "app:op_end", "--field", "status"], 2, "--field is of one event: name no second one"],
])("hist %p: refused", async (args, status, message) => {
  const ended = await cli(place, ["hist", "trace", ...args]);
  expect([ended.status, ended.stdout]).toEqual([status, ""]);
  expect(ended.stderr).toContain(message);
});

test.each([
  [["report", "trace", "--by", "path", "--by", "status"]],
  [["hist", "trace", "app:op_begin", "app:op_end", "--by", "path", "--by", "status"]],
  [["print", "trace", "--where", "failed", "--where", "status == 500"]],
])("%p: an option that is given twice is refused", async (args) => {
  const { stdout, stderr, status } = await cli(place, args);
  expect([stdout, status]).toEqual(["", 2]);
  expect(stderr).toMatch(
    /^buntrace: option '.*--(by|where) <.*it is given once, and was (path|failed)\. .*\n$/,
  );
  expect(stderr.trimEnd()).not.toContain("\n");
});

test("lost packets are told, and that nobody counted their events", async () => {
  const note = (time: bigint) => ({ id: 2, time, body: (bits: Bits) => bits.bytes(NOTE) });
  const files = [0n, 3n, 5n].map((sequence) =>
    packet([note(sequence * 1000n), note(sequence * 1000n + 1n)], { sequence }),
  );
  writeTrace(join(place.dir, "gaps"), { metadata: METADATA, one: Buffer.concat(files) });
  const { stdout } = await cli(place, ["report", "gaps"]);
  expect(stdout.split("\n")[1]).toBe("lost: 3 packets, their events not counted");
});
