/**
 * `buntrace slowest` on real recordings of random spans, beside trees made from what babeltrace2 reads: which spans, in
 * which order, what is inside them; of a program that ended and of one that was killed.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { readTrace } from "../support/babeltrace.ts";
import { cli } from "../support/cli.ts";
import { Place } from "../support/place.ts";
import { seed, SEED } from "../support/random.ts";
import { run } from "../support/run.ts";
import { type ExpectedSpan, expectedSpans } from "../spans/oracle.ts";
import { LIBRARY } from "./steady.ts";
import { toldOf } from "./summed.ts";

setDefaultTimeout(120_000);

const FOREST = join(import.meta.dirname, "programs/forest.ts");
/** Of which a sub-buffer holds a few hundred: spans are over several packets. */
const EVENTS = 800;
const SUB_BUFFER_BYTES = 4096;
const KEPT = 3;

/** A span as --json has it. */
interface Node {
  readonly kind: string;
  readonly name: string;
  readonly begin: string;
  readonly state: string;
  readonly duration_ns: number;
  readonly self_ns: number | null;
  readonly failed: boolean;
  readonly tid: number;
  readonly fields: { readonly work: number; readonly result?: number };
  readonly inside: readonly { name: string; count: number; total_ns: number; longest: readonly Node[] }[];
}

async function slowest(place: Place, ...args: string[]): Promise<Node[]> {
  const { stdout, stderr, status } = await cli(place, ["slowest", "trace", "--json", ...args]);
  expect({ stderr, status }).toEqual({ stderr: "", status: 0 });
  const lines = stdout.split("\n").filter((line) => line !== "");
  return lines.map((line) => JSON.parse(line) as Node).filter(({ kind }) => kind === "span");
}

describe.each(["end", "kill"])("a program that came to its %s", (mode) => {
  const place = new Place();
  let spans: readonly ExpectedSpan[];
  /** Nanoseconds since 1970 of the first event, which the oracle's times count from. */
  let start: bigint;

  beforeAll(async () => {
    seed();
    await run(place, FOREST, {
      args: [String(SEED), String(EVENTS), mode],
      session: { mode: "block", subBufferSize: SUB_BUFFER_BYTES },
    });
    await place.recorded();
    const events = await readTrace(place.output);
    start = events[0]!.timeNs;
    ({ spans } = expectedSpans(toldOf(events)));
  });
  afterAll(() => place[Symbol.asyncDispose]());

  /** When a span ended; of one that runs, when the trace did, as the command says itself. */
  const endOf = (span: ExpectedSpan, traceEnd: number): number => span.end ?? traceEnd;

  /** What the command must say of a span, up to the end of the topmost one. */
  function tree(span: ExpectedSpan, until: number): Partial<Node> {
    const ended = span.end !== undefined && span.end <= until;
    const inside = spans.filter(
      (one) => one.stream === span.stream && one.parentId === span.id && one.start <= until,
    );
    const names = new Set(inside.map(({ name }) => name));
    const time = (one: ExpectedSpan): number => Math.min(one.end ?? Infinity, until) - one.start;
    const at = start + BigInt(span.start);
    return {
      kind: "span",
      name: span.name,
      begin: `${at / 1_000_000_000n}.${String(at % 1_000_000_000n).padStart(9, "0")}`,
      state: ended ? "ended" : "running",
      duration_ns: time(span),
      self_ns: ended ? span.self! : null,
      failed: ended && span.failed,
      tid: span.stream,
      fields: { work: span.own!, ...(ended && { result: span.endOwn! }) },
      inside: [...names].map((name) => {
        const same = inside.filter((one) => one.name === name);
        const longest = same.toSorted((one, other) => time(other) - time(one)).slice(0, KEPT);
        return {
          name,
          count: same.length,
          total_ns: same.reduce((sum, one) => sum + time(one), 0),
          longest: longest
            .toSorted((one, other) => one.start - other.start)
            .map((one) => tree(one, until) as Node),
        };
      }),
    };
  }

  /** The spans of a selection, the longest first. */
  function expected(
    wanted: (span: ExpectedSpan) => boolean,
    traceEnd: number,
    count: number,
  ): Partial<Node>[] {
    return spans
      .filter(wanted)
      .toSorted((one, other) => endOf(other, traceEnd) - other.start - (endOf(one, traceEnd) - one.start))
      .slice(0, count)
      .map((span) => tree(span, endOf(span, traceEnd)));
  }

  /** When the trace ends: what runs tells it. */
  async function traceEnd(): Promise<number> {
    const running = (await slowest(place, "-n", "30")).filter(({ state }) => state === "running");
    const ends = running.map(({ begin, duration_ns }) => Number(nanoseconds(begin) - start) + duration_ns);
    expect(new Set(ends).size).toBe(1);
    const last = spans.reduce((latest, span) => Math.max(latest, span.end ?? span.start), 0);
    expect(ends[0]).toBeGreaterThanOrEqual(last);
    return ends[0]!;
  }

  const known = (span: ExpectedSpan): boolean =>
    spans.some(({ stream, id }) => stream === span.stream && id === span.parentId);

  test("the topmost ones", async () => {
    const nodes = await slowest(place, "--number", "20");
    const all = expected((span) => !known(span), await traceEnd(), 20);
    expect(nodes).toMatchObject(all);
    expect(nodes).toHaveLength(20);
    expect(await slowest(place)).toEqual(nodes.slice(0, 5));
  });

  test("those of a name, wherever they are, and of a field", async () => {
    const wanted = ({ name, own }: ExpectedSpan): boolean => name === "test:query" && own === 3;
    const nodes = await slowest(place, "-n", "10", "-e", "test:query", "--where", "work == 3");
    expect(nodes).toMatchObject(expected(wanted, await traceEnd(), 10));
    expect(nodes.length).toBeGreaterThan(0);
  });
});

const nanoseconds = (text: string): bigint => BigInt(text.replace(".", ""));

test("as text: what took how long, after what, and how many more", async () => {
  await using place = new Place();
  const source = `
import { provider } from ${JSON.stringify(LIBRARY)};
const shop = provider("shop");
const order = shop.span("order", [["number", "u32"]], { end: [["cents", "u32"]] });
const query = shop.span("query", [["sql", "string"]]);
for (const number of [1, 2]) {
  const id = order.begin(number);
  order.run(id, () => {
    for (let i = 0; i < 5 * number; i++) { const q = query.begin("SELECT " + i); Bun.sleepSync(i % 3); query.end(q); }
    if (number === 2) Bun.sleepSync(300);
    if (number === 2) query.end(query.begin("\\u001b[31mDELETE"), true);
  });
  order.end(id, false, 100 * number);
}
order.begin(3);
Bun.sleepSync(900);
process.kill(process.pid, "SIGKILL");
`;
  writeFileSync(join(place.dir, "app.ts"), source);
  await cli(place, ["record", "-e", "shop:*", "-o", "trace", "app.ts"]);
  const { stdout, stderr, status } = await cli(place, ["slowest", "trace", "-n", "3", "--utc"]);
  expect({ stderr, status }).toEqual({ stderr: "", status: 0 });
  // Without what differs from run to run; a query of no sleep may be among the longest three of the order.
  const shape = stdout
    .split("\n")
    .map((line) =>
      line.replace(/^[ \d.a-z]*?(?=shop|[├└]|took| *$)/, "").replace(/\d\d:\d\d:\d\d\.\d{9}/, "TIME"),
    )
    .map((line) => line.replace(/main \d+/, "main TID").replace(/SELECT \d/, "SELECT N"));
  shape[0] = shape[0]!.replace(/ +/g, " ");
  expect(shape).toEqual([
    "took self after span",
    "shop:order  running  { number = 3 }  at TIME  thread main TID",
    "",
    "shop:order  { number = 2, cents = 200 }  at TIME  thread main TID",
    ...Array.from({ length: 3 }, () => '├─ shop:query  { sql = "SELECT N" }'),
    "└─ 8 more shop:query",
    "",
    "shop:order  { number = 1, cents = 100 }  at TIME  thread main TID",
    ...Array.from({ length: 3 }, () => '├─ shop:query  { sql = "SELECT N" }'),
    "└─ 2 more shop:query",
    "",
  ]);
  const failed = await cli(place, ["slowest", "trace", "-e", "shop:query", "-w", 'sql ~ "DELETE"', "--utc"]);
  expect(failed.stdout).toContain("shop:query  failed  {");
  expect(failed.stdout).not.toContain("\u001b");
  const none = await cli(place, ["slowest", "trace", "-w", "duration > 100s"]);
  expect(none).toMatchObject({ stdout: "no span passes among 37 events\n", status: 0 });
  for (const number of ["0", "101", "x", "-1"]) {
    const wrong = await cli(place, ["slowest", "trace", "-n", number]);
    expect(wrong).toMatchObject({ stdout: "", status: 2 });
    expect(wrong.stderr).toContain("it is a number from 1 to 100");
  }
});
