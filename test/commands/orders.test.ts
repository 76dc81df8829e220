/** In which order `buntrace report` and `graph` tell: every column of --sort, and the tree with its branches. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";

import { HEAD, packet, streamBlock, writeTrace } from "../ctf/hand-made.ts";
import { writeForest } from "../spans/forest.ts";
import { expectedSpans, type Told } from "../spans/oracle.ts";
import { cli } from "../support/cli.ts";
import { Place } from "../support/place.ts";
import { Random } from "../support/random.ts";
import { percentile, type Sums, sumsBy } from "./summed.ts";

setDefaultTimeout(120_000);

const place = new Place();
afterAll(() => place[Symbol.asyncDispose]());

/** Names and their spans: how many of which length, so that no two columns have one order; of which so many fail, and how long is the span inside each. */
const SPANS: readonly (readonly [
  name: string,
  lengths: readonly (readonly [count: number, length: number])[],
  failed: number,
  inside: number,
])[] = [
  [
    "cache:lookup",
    [
      [90, 50],
      [7, 300],
      [3, 600],
      [1, 3600],
    ],
    8,
    8,
  ],
  [
    "fs:read",
    [
      [80, 60],
      [6, 460],
      [3, 700],
      [1, 1900],
    ],
    1,
    0,
  ],
  [
    "http:request",
    [
      [120, 70],
      [8, 270],
      [3, 1400],
      [1, 4800],
    ],
    4,
    3,
  ],
  [
    "sql:query",
    [
      [50, 30],
      [5, 230],
      [3, 1400],
      [1, 6100],
    ],
    5,
    6,
  ],
];
const NAMES = SPANS.map(([name]) => name);

/** What the columns are of the spans of a name. */
const COLUMNS: Readonly<Record<string, (sums: Sums) => number>> = {
  total: ({ total }) => total,
  self: ({ self }) => self,
  count: ({ count }) => count,
  mean: ({ total, count }) => total / count,
  p50: ({ durations }) => percentile(durations, 0.5),
  p95: ({ durations }) => percentile(durations, 0.95),
  p99: ({ durations }) => percentile(durations, 0.99),
  max: ({ max }) => max,
  failed: ({ failed }) => failed,
};

const told: Told[] = [];
let [time, id] = [1000, 0];
for (const [name, lengths, failing, inside] of SPANS) {
  let at = 0;
  for (const length of lengths.flatMap(([count, one]) => Array<number>(count).fill(one))) {
    const parent = (id += 1);
    const [begin, end] = [time, (time += length)];
    const one = { stream: 0, own: 0 } as const;
    told.push({ ...one, kind: "begin", name, time: begin, id: parent, parent: 0 });
    if (inside > 0) {
      id += 1;
      told.push({ ...one, kind: "begin", name: "queue:job", time: begin + 1, id, parent });
      told.push({ ...one, kind: "end", name: "queue:job", time: begin + 1 + inside, id });
    }
    told.push({ ...one, kind: "end", name, time: end, id: parent, failed: at < failing });
    at += 1;
  }
}
const sums = sumsBy(expectedSpans(told).spans, ({ name }) => name);

/** Names, those of the greatest value of a column first. */
function ordered(column: string): string[] {
  const value = (name: string): number => {
    const found = sums.get(name);
    return found === undefined ? NaN : (COLUMNS[column]?.(found) ?? NaN);
  };
  return NAMES.toSorted((one, other) => value(other) - value(one));
}

beforeAll(() => {
  const orders = [NAMES, ...Object.keys(COLUMNS).map(ordered)].map((names) => names.join());
  expect(new Set(orders).size).toBe(orders.length);
  writeForest(join(place.dir, "trace"), new Random(1), { kept: told, discarded: [] });
});

test.each([...Object.keys(COLUMNS), "name"])(
  "report --sort %s: the greatest first, names as they are",
  async (sort) => {
    const { stdout } = await cli(place, ["report", "trace", "--sort", sort]);
    const names = stdout.split("\n").flatMap((line) => /^(\w+:\w+) +\d/.exec(line)?.[1] ?? []);
    expect(names.filter((name) => name !== "queue:job")).toEqual(sort === "name" ? NAMES : ordered(sort));
  },
);

test("report: what has no value of a column comes last; what is alike, by its name", async () => {
  const running = ["sql:query", "http:request"].map((name, at): Told => {
    return { stream: 0, kind: "begin", name, time: at, id: at + 1, own: 0 };
  });
  const ended = [10, 20].flatMap((at): Told[] => [
    { stream: 0, kind: "begin", name: at === 10 ? "queue:job" : "fs:read", time: at, id: at, own: 0 },
    { stream: 0, kind: "end", name: at === 10 ? "queue:job" : "fs:read", time: at + 5, id: at },
  ]);
  writeForest(join(place.dir, "alike"), new Random(1), { kept: [...running, ...ended], discarded: [] });
  for (const sort of ["mean", "p99", "max", "total"]) {
    const { stdout } = await cli(place, ["report", "alike", "--sort", sort]);
    const names = stdout.split("\n").flatMap((line) => /^(\w+:\w+) +\d/.exec(line)?.[1] ?? []);
    expect([sort, names]).toEqual([sort, ["fs:read", "queue:job", "http:request", "sql:query"]]);
  }
});

test("graph: the longest first on each level, with its branches", async () => {
  const { stdout } = await cli(place, ["graph", "trace"]);
  const tree = stdout.split("\n").flatMap((line) => /^(\W*\w+:\w+) /.exec(line)?.[1] ?? []);
  expect(tree).toEqual(
    ordered("total").flatMap((name) => (name === "fs:read" ? [name] : [name, "└─ queue:job"])),
  );

  // Inside one: three of other lengths, the longest with one of its own.
  const nested: readonly (readonly [id: number, parent: number, name: string, from: number, to: number])[] = [
    [1, 0, "http:request", 0, 1000],
    [2, 1, "cache:lookup", 10, 20],
    [3, 1, "sql:query", 30, 530],
    [4, 3, "queue:job", 40, 50],
    [5, 1, "fs:read", 600, 700],
  ];
  const kept = nested
    .flatMap(([span, parent, name, from, to]): Told[] => [
      { stream: 0, kind: "begin", name, time: from, id: span, parent, own: 0 },
      { stream: 0, kind: "end", name, time: to, id: span },
    ])
    .sort((one, other) => one.time - other.time);
  writeForest(join(place.dir, "nested"), new Random(1), { kept, discarded: [] });
  expect((await cli(place, ["graph", "nested"])).stdout)
    .toBe(`span             count    total    self   share     mean      max
http:request         1  1.00 us  390 ns  39.0 %  1.00 us  1.00 us
├─ sql:query         1   500 ns  490 ns  49.0 %   500 ns   500 ns
│  └─ queue:job      1    10 ns   10 ns   1.0 %    10 ns    10 ns
├─ fs:read           1   100 ns  100 ns  10.0 %   100 ns   100 ns
└─ cache:lookup      1    10 ns   10 ns   1.0 %    10 ns    10 ns
`);
  const lines = (await cli(place, ["graph", "nested", "--json"])).stdout.trim().split("\n");
  expect(lines.map((line) => JSON.parse(line) as Record<string, unknown>)).toMatchObject([
    { path: ["http:request"], count: 1, total_ns: 1000, self_ns: 390, share: 0.39, max_ns: 1000 },
    { path: ["http:request", "sql:query"], self_ns: 490 },
    { path: ["http:request", "sql:query", "queue:job"], self_ns: 10 },
    { path: ["http:request", "fs:read"], self_ns: 100 },
    { path: ["http:request", "cache:lookup"], self_ns: 10 },
    { kind: "losses", discarded_events: 0 },
  ]);
});

test("counters: least, mean, greatest, last; without a length of time there are no rates", async () => {
  const metadata = `${HEAD}env { tracer_name = "buntrace"; };
${streamBlock().replace("cpu_id", "tid")}
event { name = "x:depth"; id = 0; stream_id = 0; model.emf.uri = "buntrace:counter"; fields := struct { u8 value; }; };`;
  const write = (name: string, values: readonly number[]): void => {
    const events = values.map((value, at) => ({
      time: BigInt(at) * 1_000_000_000n,
      body: (bits: { bytes(bytes: Uint8Array): void }) => bits.bytes(Uint8Array.of(value)),
    }));
    writeTrace(join(place.dir, name), { metadata, one: packet(events) });
  };
  write("counted", [5, 9, 2, 8, 3]);
  write("once", [7]);
  const table = async (name: string): Promise<string[][]> =>
    (await cli(place, ["report", name])).stdout
      .trimEnd()
      .split("\n")
      .slice(-2)
      .map((line) => line.split(/ {2,}/));
  expect(await table("counted")).toEqual([
    ["counter", "count", "a second", "min", "mean", "max", "last"],
    ["x:depth", "5", "1.25", "2", "5.4", "9", "3"],
  ]);
  expect((await table("once")).at(-1)).toEqual(["x:depth", "1", "7", "7", "7", "7"]);
  const [, line] = (await cli(place, ["report", "once", "--json"])).stdout.split("\n");
  expect(JSON.parse(line ?? "")).toEqual({
    kind: "counter",
    name: "x:depth",
    count: 1,
    min: 7,
    mean: 7,
    max: 7,
    last: 7,
  });
});
