/**
 * What the filter options let through, asked directly: names and their globs, threads as our traces and others' tell
 * them, fields of one name in several places, fields of both ends of a span; and the times of what passed.
 */
import { afterAll, describe, expect, test } from "bun:test";
import { join } from "node:path";

import { openTraces } from "../../src/ctf/index.ts";
import { eventClassAt } from "../../src/ctf/events.ts";
import { EventFilter, type FilterOptions } from "../../src/report/filter.ts";
import { Pass } from "../../src/report/pass.ts";
import { TraceStats } from "../../src/report/stats.ts";
import { HEAD, packet, streamBlock, writeTrace } from "../ctf/hand-made.ts";
import { writeForest } from "../spans/forest.ts";
import type { Told } from "../spans/oracle.ts";
import { Place } from "../support/place.ts";
import { Random } from "../support/random.ts";

const place = new Place();
afterAll(() => place[Symbol.asyncDispose]());

interface Bits {
  bytes(bytes: Uint8Array): void;
}

/** Names of the events of a trace that pass, in the order of time. */
function passing(trace: string, options: FilterOptions): string[] {
  const set = openTraces(join(place.dir, trace));
  const filter = new EventFilter(options, set);
  const names: string[] = [];
  for (const { batch, from, to } of set.runs())
    for (let at = from; at < to; at += 1)
      if (filter.wants(batch, at)) names.push(eventClassAt(batch, at).name);
  set.close();
  return names;
}

describe("names", () => {
  const NAMES = ["a.b", "axb", "a+b", "a(b", "a[b", "a\\b", "ab", "a^b$", "a\nb", "xa.b", "a.bx"];
  writeTrace(join(place.dir, "names"), {
    metadata: `${HEAD}${streamBlock()}${NAMES.map((name, id) => `event { name = ${JSON.stringify(name)}; id = ${id}; stream_id = 0; };`).join("\n")}`,
    one: packet(NAMES.map((_name, id) => ({ id, time: BigInt(id) }))),
  });

  test.each<[globs: string[], names: string[]]>([
    [["*"], NAMES],
    [["a.b"], ["a.b"]],
    [["a+b"], ["a+b"]],
    [["a(b"], ["a(b"]],
    [["a[b"], ["a[b"]],
    [["a\\b"], ["a\\b"]],
    [["a^b$"], ["a^b$"]],
    [["a?b"], ["a.b", "axb", "a+b", "a(b", "a[b", "a\\b", "a\nb"]],
    [["a*b"], ["a.b", "axb", "a+b", "a(b", "a[b", "a\\b", "ab", "a\nb"]],
    [["a.b*"], ["a.b", "a.bx"]],
    [["*a.b"], ["a.b", "xa.b"]],
    [["A.B"], []],
    [["ab|axb"], []],
    [
      ["axb", "ab"],
      ["axb", "ab"],
    ],
    [["nothing", "ab"], ["ab"]],
  ])("%p", (event, names) => {
    expect(passing("names", { event })).toEqual(names);
  });
});

describe("threads", () => {
  const EVENTS = ["a", "b", "c"];
  const metadata = (stream: string): string =>
    `${HEAD}${stream}${EVENTS.map((name, id) => `event { name = "${name}"; id = ${id}; stream_id = 0; };`).join("\n")}`;
  const text = (name: string): Buffer => Buffer.from(name.padEnd(8, "\0"));
  const NAME = "integer { size = 8; encoding = UTF8; }";
  // Ours: a thread a stream.
  writeTrace(join(place.dir, "ours"), {
    metadata: metadata(streamBlock().replace("u32 cpu_id", `u32 tid; ${NAME} thread_name[8]`)),
    ...Object.fromEntries(
      ["main", "worker", "work.r"].map((name, id) => [
        name,
        packet([{ id, time: BigInt(id) }], { instance: BigInt(id), cpu: 10 + id, context: text(name) }),
      ]),
    ),
  });
  // LTTng's: each event tells its own, in the stream of a processor.
  writeTrace(join(place.dir, "theirs"), {
    metadata: metadata(streamBlock(0, `event.context := struct { u32 vtid; ${NAME} procname[8]; };`)),
    one: packet(
      ["main", "worker", "work.r"].map((name, id) => ({
        id,
        time: BigInt(id),
        body: (bits: Bits) => bits.bytes(Buffer.concat([Uint8Array.of(10 + id, 0, 0, 0), text(name)])),
      })),
    ),
  });
  writeTrace(join(place.dir, "unsaid"), {
    metadata: metadata(streamBlock()),
    one: packet(EVENTS.map((_name, id) => ({ id, time: BigInt(id) }))),
  });

  test.each<[threads: string[], names: string[]]>([
    [["10"], ["a"]],
    [
      ["11", "12"],
      ["b", "c"],
    ],
    [["main"], ["a"]],
    [["work*"], ["b", "c"]],
    [["work.r"], ["c"]],
    [
      ["mai?", "12"],
      ["a", "c"],
    ],
    [["1"], []],
    [["mai"], []],
  ])("%p", (thread, names) => {
    expect(passing("ours", { thread })).toEqual(names);
    expect(passing("theirs", { thread })).toEqual(names);
    expect(passing("unsaid", { thread })).toEqual([]);
    expect(passing("ours", { thread, event: ["b"] })).toEqual(names.filter((name) => name === "b"));
    expect(passing("theirs", { thread, where: "vtid == 11" })).toEqual(names.filter((name) => name === "b"));
  });
});

test("a field of an event is its own before those of its contexts", () => {
  writeTrace(join(place.dir, "scopes"), {
    metadata: `${HEAD}${streamBlock(0, "event.context := struct { u8 n; u8 s; };")}
      event { name = "a"; id = 0; stream_id = 0; context := struct { u8 n; u8 s; u8 c; }; fields := struct { u8 n; u8 cpu_id; }; };`,
    one: packet([{ time: 1n, body: (bits: Bits) => bits.bytes(Uint8Array.of(1, 2, 3, 4, 5, 6, 7)) }], {
      cpu: 8,
    }),
  });
  for (const where of ["n == 6", "cpu_id == 7", "s == 4", "c == 5"])
    expect([where, passing("scopes", { where })]).toEqual([where, ["a"]]);
  for (const where of ["n == 1", "n == 3", "cpu_id == 8", "s == 2"])
    expect([where, passing("scopes", { where })]).toEqual([where, []]);
});

describe("spans", () => {
  const one = { stream: 0 } as const;
  const told: Told[] = [
    { ...one, kind: "begin", name: "sql:query", time: 1000, id: 1, own: 7 },
    { ...one, kind: "other", name: "app:note", time: 1100 },
    { ...one, kind: "end", name: "sql:query", time: 1500, id: 1, own: 8 },
    { ...one, kind: "begin", name: "sql:query", time: 2000, id: 2, own: 9 },
    { ...one, kind: "other", name: "app:note", time: 2900 },
  ];
  const trace = (): string =>
    writeForest(join(place.dir, "spans"), new Random(1), { kept: told, discarded: [] });

  /** Of each group of spans: what it is of, how many ended and how many run. */
  function groups(options: FilterOptions, by?: string): (readonly [string | undefined, number, number])[] {
    const stats = new TraceStats(new Pass(trace(), options), by);
    return stats.spans.all().map((group) => [group.by, group.count, group.running]);
  }

  test("a field of both ends is the end's, where there is one", () => {
    expect(groups({}, "own").toSorted()).toEqual([
      ["8", 1, 0],
      ["9", 0, 1],
    ]);
    expect(groups({ where: "own == 8" })).toEqual([[undefined, 1, 0]]);
    expect(groups({ where: "own == 7" })).toEqual([]);
    expect(groups({ where: "own == 9" })).toEqual([[undefined, 0, 1]]);
    expect(groups({ where: 'text == "sql:query"' })).toEqual([[undefined, 1, 1]]);
  });

  test("what runs has no duration yet", () => {
    expect(groups({}, "duration").toSorted()).toEqual([
      ["(none)", 0, 1],
      ["500", 1, 0],
    ]);
    for (const where of ["duration == 500", "duration <= 0.5us", "duration"])
      expect([where, groups({ where })]).toEqual([where, [[undefined, 1, 0]]]);
    expect(groups({ where: "!duration" })).toEqual([[undefined, 0, 1]]);
  });

  test("the begin and the end are those of the events in time, and so are rates", () => {
    const { base } = openTraces(trace());
    // Times after the set's base, which is the begin.
    const [first = NaN] = told.map(({ time }) => time);
    for (const [since, until] of [
      [undefined, undefined],
      ["+100ns", undefined],
      [undefined, "+1us"],
      ["+101ns", "+1000ns"],
      ["+100ns", "+100ns"],
      ["+1ms", undefined],
    ]) {
      const pass = new Pass(trace(), {
        ...(since !== undefined && { since }),
        ...(until !== undefined && { until }),
      });
      new TraceStats(pass);
      pass.end();
      expect(base).toBe(pass.set.base);
      const nanoseconds = (text: string): number =>
        Number.parseFloat(text) * (text.endsWith("ns") ? 1 : text.endsWith("us") ? 1e3 : 1e6);
      const within = told
        .map(({ time }) => time - first)
        .filter(
          (time) =>
            time >= (since === undefined ? 0 : nanoseconds(since)) &&
            time <= (until === undefined ? Infinity : nanoseconds(until)),
        );
      expect([since, until, pass.first, pass.last]).toEqual([
        since,
        until,
        within[0] ?? NaN,
        within.at(-1) ?? NaN,
      ]);
      expect(pass.seconds).toBe(within.length === 0 ? 0 : ((within.at(-1) ?? 0) - (within[0] ?? 0)) / 1e9);
    }
  });
});
