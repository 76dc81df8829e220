/** `buntrace diff`: what is compared with what, in which order, and what has no figure. On traces made by hand. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";

import { writeForest } from "../spans/forest.ts";
import type { Told } from "../spans/oracle.ts";
import { cli } from "../support/cli.ts";
import { Place } from "../support/place.ts";
import { Random } from "../support/random.ts";

setDefaultTimeout(120_000);

const place = new Place();
afterAll(() => place[Symbol.asyncDispose]());

/** Spans of these lengths, one after the other; those of a length below 0 never end. */
function spans(name: string, lengths: readonly number[]): Told[] {
  return lengths.flatMap((length, at): Told[] => {
    const one = { stream: 0, name } as const;
    const [id, time] = [ids++, clock];
    clock += 1000 + Math.max(0, length);
    const begin: Told = { ...one, kind: "begin", time, id, own: at };
    return length < 0
      ? [begin]
      : [begin, { ...one, kind: "end", time: time + length, id, failed: at % 2 === 1 }];
  });
}
let ids = 1;
let clock = 1000;

const notes = (count: number): Told[] =>
  Array.from({ length: count }, () => ({ stream: 0, kind: "other", name: "app:note", time: (clock += 10) }));

beforeAll(() => {
  const write = (name: string, ...kept: Told[][]): void => {
    writeForest(join(place.dir, name), new Random(1), { kept: kept.flat(), discarded: [] });
  };
  write(
    "before",
    spans("http:request", [100, 100, 100, 100]),
    spans("sql:query", [1000]),
    spans("fs:read", [0, 0]),
    spans("cache:lookup", [50]),
    notes(3),
  );
  write(
    "after",
    spans("http:request", [100, 100, 100, 500, 100]),
    spans("sql:query", [1300, 1300]),
    spans("fs:read", [0]),
    spans("queue:job", [7, -1]),
    notes(6),
  );
});

type Line = Readonly<Record<string, unknown>>;

async function json(...args: string[]): Promise<Line[]> {
  const { stdout, stderr, status } = await cli(place, ["diff", "before", "after", "--json", ...args]);
  expect([stderr, status]).toEqual(["", 0]);
  return stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Line);
}

test("each name of either trace: figures, and by which share of the first they changed", async () => {
  expect(await json("--sort", "p99")).toEqual([
    {
      kind: "span",
      name: "http:request",
      before: { count: 4, failed: 2, mean_ns: 100, p50_ns: 100, p99_ns: 100 },
      after: { count: 5, failed: 2, mean_ns: 180, p50_ns: 100, p99_ns: 500 },
      change: { count: 0.25, mean: 0.8, p50: 0, p99: 4 },
    },
    {
      kind: "span",
      name: "sql:query",
      before: { count: 1, failed: 0, mean_ns: 1000, p50_ns: 1000, p99_ns: 1000 },
      after: { count: 2, failed: 1, mean_ns: 1300, p50_ns: 1300, p99_ns: 1300 },
      change: { count: 1, mean: 0.3, p50: 0.3, p99: 0.3 },
    },
    // Of no length, which is a figure too; there is no share of nothing.
    {
      kind: "span",
      name: "fs:read",
      before: { count: 2, failed: 1, mean_ns: 0, p50_ns: 0, p99_ns: 0 },
      after: { count: 1, failed: 0, mean_ns: 0, p50_ns: 0, p99_ns: 0 },
      change: { count: -0.5, mean: null, p50: null, p99: null },
    },
    {
      kind: "span",
      name: "cache:lookup",
      before: { count: 1, failed: 0, mean_ns: 50, p50_ns: 50, p99_ns: 50 },
      after: null,
      change: { count: null, mean: null, p50: null, p99: null },
    },
    {
      kind: "span",
      name: "queue:job",
      before: null,
      after: { count: 1, failed: 0, mean_ns: 7, p50_ns: 7, p99_ns: 7 },
      change: { count: null, mean: null, p50: null, p99: null },
    },
    {
      kind: "event",
      name: "app:note",
      before: { count: 3 },
      after: { count: 6 },
      change: { count: 1, mean: null, p50: null, p99: null },
    },
  ]);
});

test.each<[sort: string[], names: string[]]>([
  // The mean's change times the count after: 600 ns of queries, 400 of requests.
  [[], ["sql:query", "http:request", "fs:read"]],
  [
    ["--sort", "impact"],
    ["sql:query", "http:request", "fs:read"],
  ],
  [
    ["--sort", "mean"],
    ["http:request", "sql:query", "fs:read"],
  ],
  [
    ["--sort", "p50"],
    ["sql:query", "fs:read", "http:request"],
  ],
  // Twice as many and half as many are as far; the names decide.
  [
    ["--sort", "count"],
    ["fs:read", "sql:query", "http:request"],
  ],
])("%p: what changed most comes first, then what is in one only, then events", async (sort, names) => {
  const lines = await json(...sort);
  expect(lines.map(({ name }) => name)).toEqual([...names, "cache:lookup", "queue:job", "app:note"]);
});

test("the other way round everything is", async () => {
  const { stdout } = await cli(place, ["diff", "after", "before", "--json", "-e", "app:note"]);
  expect(JSON.parse(stdout)).toMatchObject({
    before: { count: 6 },
    after: { count: 3 },
    change: { count: -0.5 },
  });
});

test("the table: what grew by more than a tenth stands out", async () => {
  const { stdout } = await cli(place, ["diff", "before", "after"], { NO_COLOR: undefined, FORCE_COLOR: "1" });
  const yellow = stdout
    .split("\x1b[33m")
    .slice(1)
    .map((text) => text.slice(0, text.indexOf("\x1b")));
  // Means and percentiles of queries; the mean and the 99th of requests.
  expect(yellow).toEqual(["+30 %", "+30 %", "+30 %", "+80 %", "+400 %"]);
  const rows = Bun.stripANSI(stdout)
    .split("\n")
    .filter((line) => /^(cache|queue|fs)/.test(line))
    .map((line) => line.split(/ {2,}/));
  expect(rows).toEqual([
    ["fs:read", "2", "1", "-50 %", "0 ns", "0 ns", "0 ns", "0 ns", "0 ns", "0 ns"],
    ["cache:lookup", "1", "none", "50 ns", "50 ns", "50 ns"],
    ["queue:job", "none", "1", "7 ns", "7 ns", "7 ns"],
  ]);
});
