/**
 * The edges of pairing: names of other tracers, ends that are lost, ids that come again,
 * work that goes on from span to span, and the limits.
 */
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { openTraces, type TraceSet } from "../../src/ctf/index.ts";
import { recallBegin, type SpanItem, spanItems } from "../../src/spans/index.ts";
import { SpanPaths } from "../../src/spans/paths.ts";
import type { Span } from "../../src/spans/span.ts";
import { Thread } from "../../src/spans/thread.ts";
import { HEAD, packet, streamBlock, writeTrace } from "../ctf/hand-made.ts";
import { Random } from "../support/random.ts";
import { writeForest } from "./forest.ts";
import type { Told } from "./oracle.ts";

const root = mkdtempSync(join(tmpdir(), "buntrace-edges-"));
afterAll(() => rmSync(root, { recursive: true }));
let traces = 0;

/** A trace of another tracer: one stream that is no processor's, with events of these names at 10, 20, .. ns. */
function named(names: readonly string[], declared: readonly string[] = names): TraceSet {
  const unique = [...new Set(declared)];
  const blocks = unique.map(
    (name, id) => `event { name = "${name}"; id = ${id}; stream_id = 0; fields := struct { u8 n; }; };`,
  );
  const events = names.map((name, at) => ({
    id: unique.indexOf(name),
    time: BigInt(at + 1) * 10n,
    body: (bits: { integer(value: bigint, size: number, little: boolean): void }) =>
      bits.integer(BigInt(at), 8, true),
  }));
  traces += 1;
  return openTraces(
    writeTrace(join(root, String(traces)), {
      metadata: `${HEAD}${streamBlock().replace("cpu_id", "unit")}${blocks.join("\n")}`,
      stream: packet(events),
    }),
  );
}

/** A trace of ours with these events, in one packet at least. */
function told(events: readonly Told[], discarded: readonly Told[] = []): TraceSet {
  traces += 1;
  return openTraces(writeForest(join(root, String(traces)), new Random(7), { kept: events, discarded }));
}

function begin(id: number, time: number, parent = 0, name = "sql:query"): Told {
  return { stream: 0, time, kind: "begin", name, id, parent, own: id };
}

function end(id: number, time: number, name = "sql:query"): Told {
  return { stream: 0, time, kind: "end", name, id };
}

/** Items as words: `begin x`, `end x 10` with its duration, ... */
function words(set: TraceSet): string[] {
  return [...spanItems(set)].flatMap((item: SpanItem) => {
    if (item.kind === "losses") return [];
    if (item.kind === "event" || item.kind === "counter") return [`event ${item.record.name}`];
    if (item.kind === "begin_lost") return [`begin_lost ${item.type.name}`];
    return [`${item.kind} ${item.span.name}${item.kind === "end" ? ` ${item.span.duration}` : ""}`];
  });
}

test.each([
  [["syscall_entry_read", "syscall_exit_read"], "syscall_read"],
  [["compat_syscall_entry_read", "compat_syscall_exit_read"], "compat_syscall_read"],
  [["irq_handler_entry", "irq_handler_exit"], "irq_handler"],
  [["x:lock_enter", "x:lock_exit"], "x:lock"],
  [["x:lock_enter", "x:lock_leave"], "x:lock"],
  [["x:y_begin", "x:y_end"], "x:y"],
  [["x:y_start", "x:y_stop"], "x:y"],
  [["x:y_start", "x:y_end"], "x:y"],
  [["x:y_start", "x:y_done"], "x:y"],
  [["x:y_start", "x:y_finish"], "x:y"],
  [["lttng_ust_statedump:start", "lttng_ust_statedump:end"], "lttng_ust_statedump"],
])("other tracers' names: %p are the span %s", (names, span) => {
  expect(words(named(names))).toEqual([`begin ${span}`, `end ${span} 10`]);
});

test("names that are no pair are events", () => {
  const names = ["x:y_begin", "x:z_end", "restart", "stop", "x:y_entry", "x:yexit"];
  expect(words(named(names))).toEqual(names.map((name) => `event ${name}`));
});

test("one end for two begins belongs to the first rule", () => {
  const set = named(["a_begin", "a_start", "a_end"]);
  expect(words(set)).toEqual(["begin a", "event a_start", "end a 20"]);
});

test("without ids: the last one begun is the first to end, and ends that are missing are told", () => {
  const declared = ["a_begin", "a_end", "b_begin", "b_end", "c_begin", "c_end"];
  const names = ["b_end", "a_begin", "b_begin", "c_begin", "b_begin", "b_end", "a_end", "c_end", "a_begin"];
  expect(words(named(names, declared))).toEqual([
    "begin_lost b",
    "begin a",
    "begin b",
    "begin c",
    "begin b",
    "end b 10",
    "end_lost c",
    "end_lost b",
    "end a 50",
    "begin_lost c",
    "begin a",
    "running a",
  ]);
});

test("an id that comes again ends the span that had it; an end of another name does not", () => {
  const set = told([begin(5, 100), end(5, 110, "fs:read"), begin(5, 200), end(5, 230), end(5, 240)]);
  expect(words(set)).toEqual([
    "begin sql:query",
    "begin_lost fs:read",
    "end_lost sql:query",
    "begin sql:query",
    "end sql:query 30",
    "begin_lost sql:query",
  ]);
});

test("children count from their begins to the parent's end; after it they do not, but are still inside by name", () => {
  const set = told([
    begin(1, 100, 0, "http:request"),
    begin(2, 110, 1),
    begin(3, 120, 1),
    end(2, 130),
    end(3, 150),
    begin(4, 190, 1),
    end(1, 200, "http:request"),
    end(4, 500),
    begin(6, 600, 1),
    end(6, 610),
    begin(7, 700, 99),
    end(7, 710),
  ]);
  const ended = [...spanItems(set)].flatMap((item) =>
    item.kind === "end" ? [[item.span.id, item.span.duration, item.span.self, item.span.depth]] : [],
  );
  expect(ended).toEqual([
    [2, 20, 20, 1],
    [3, 30, 30, 1],
    [1, 100, 50, 0],
    [4, 310, 310, 1],
    [6, 10, 10, 1],
    // A parent that is not in the trace.
    [7, 10, 10, 0],
  ]);
});

test("work that goes on from span to span: levels end somewhere, and what has ended is let go", () => {
  const events = Array.from({ length: 3000 }, (_none, at) => [
    begin(at + 1, at * 10, at),
    ...(at > 0 ? [end(at, at * 10 + 1)] : []),
  ]).flat();
  const set = told(events);
  let levels = 0;
  const kept: Span[] = [];
  for (const item of spanItems(set)) {
    if (item.kind !== "begin") continue;
    levels = Math.max(levels, item.span.depth + 1);
    kept.push(item.span);
  }
  expect(levels).toBe(64);
  for (const span of kept.slice(0, -1)) expect(span.parent).toBeUndefined();
});

test("what runs long is around what begins much later; what has ended and is forgotten is not, nor another in its place", () => {
  // Ids that a thousand and twenty-four others follow: the first runs on, the second has ended.
  const many = Array.from({ length: 1100 }, (_none, at) => [
    begin(at + 3, 200 + at * 10),
    end(at + 3, 205 + at * 10),
  ]);
  const set = told([
    begin(1, 100, 0, "http:request"),
    begin(2, 110, 0, "fs:read"),
    end(2, 120, "fs:read"),
    ...many.flat(),
    begin(2001, 20_000, 1, "cache:lookup"),
    begin(2002, 20_010, 2, "cache:lookup"),
    begin(2003, 20_020, 1102, "cache:lookup"),
  ]);
  const inside = [...spanItems(set)].flatMap((item) =>
    item.kind === "begin" && item.span.name === "cache:lookup"
      ? [[item.span.id, item.span.path.parent?.name]]
      : [],
  );
  expect(inside).toEqual([
    [2001, "http:request"],
    [2002, undefined],
    // It has ended not long ago.
    [2003, "sql:query"],
  ]);
});

test("what runs at the end knows its fields when they are asked for", () => {
  const set = told([begin(1, 100), begin(2, 100, 1), end(1, 300)]);
  const [running] = [...spanItems(set)].flatMap((item) => (item.kind === "running" ? [item] : []));
  const span = running?.span;
  expect([span?.id, span?.endMayBeLost, running?.time]).toEqual([2, false, 200]);
  if (span === undefined) return;
  span.beginRecord = undefined;
  recallBegin(set, span);
  expect(span.fields).toEqual({ text: "sql:query", own: 2 });
});

test("a span longer than the times of one batch reach", () => {
  expect(words(told([begin(1, 100), end(1, 2e16)])).at(-1)).toBe(`end sql:query ${2e16 - 100}`);
});

test("an end that may have been discarded is no proof that a span ran on", () => {
  const set = told([begin(1, 100), begin(2, 101), end(2, 300)], [end(1, 200)]);
  const running = [...spanItems(set)].flatMap((item) => (item.kind === "running" ? [item.span] : []));
  expect(running.map(({ id, endMayBeLost }) => [id, endMayBeLost])).toEqual([[1, true]]);
});

test("more spans than can run at a time: the oldest count as ended", () => {
  const [trace] = told([begin(1, 100)]).traces;
  if (trace === undefined) throw new Error("no trace");
  const who = { pid: 1, tid: 1, name: "one" };
  const thread = new Thread(trace, who, { until: -Infinity }, new SpanPaths());
  const type = { name: "x", hasIds: true };
  const [stream] = trace.streams;
  if (stream === undefined) throw new Error("no stream");
  const lost: Span[] = [];
  const most = 2 ** 20;
  for (let id = 1; id <= most + 3; id += 1) thread.begin(type, stream, id, 0, id, lost);
  expect(lost.map(({ id, state }) => [id, state])).toEqual([
    [1, "lost"],
    [2, "lost"],
    [3, "lost"],
  ]);
  expect(thread.running()).toHaveLength(most);
  expect(thread.end(type, 3, most, false, lost)).toBeUndefined();
  expect(thread.end(type, 4, most, false, lost)?.id).toBe(4);
});

test("paths: more than are told apart go to the top", () => {
  const paths = new SpanPaths();
  const top = paths.under(undefined, "top");
  for (let at = 0; at < 65_535; at += 1) paths.under(top, `name ${at}`);
  expect(paths.all).toHaveLength(65_536);
  expect(paths.under(top, "one more")).toMatchObject({ name: "one more", level: 0 });
  expect(paths.under(top, "name 5")).toMatchObject({ name: "name 5", level: 1 });
});

test("what runs, runs up to the last event of its trace, whichever thread's that is; the first begun comes first", () => {
  const one = (stream: number, time: number, id: number): Told => ({ ...begin(id, time), stream });
  const note = (stream: number, time: number): Told => ({ stream, time, kind: "other", name: "app:note" });
  // The streams are read one after the other, and the last event is in the first.
  const set = told([
    one(0, 100, 1),
    one(1, 110, 1),
    one(0, 120, 2),
    one(1, 130, 2),
    note(1, 200),
    note(0, 900),
  ]);
  for (const inTime of [true, false]) {
    const running = [...spanItems(set, { inTime })].flatMap((item) =>
      item.kind === "running" ? [item] : [],
    );
    expect(running.map(({ span, time }) => [span.thread.tid, span.id, time - span.start])).toEqual([
      [100, 1, 800],
      [101, 1, 790],
      [100, 2, 780],
      [101, 2, 770],
    ]);
  }
});

test("events that one thread has lost make no other's ends doubtful", () => {
  const kept = [begin(1, 100), { ...begin(1, 110), stream: 1 }, { ...end(9, 300), stream: 1 }, end(9, 310)];
  const set = told(kept, [{ ...end(1, 200), stream: 1 }]);
  const running = [...spanItems(set)].flatMap((item) => (item.kind === "running" ? [item.span] : []));
  expect(running.map(({ thread, endMayBeLost }) => [thread.tid, endMayBeLost])).toEqual([
    [100, false],
    [101, true],
  ]);
});

test("a thread that changes its processor: its events are paired in the order of time, whatever is read first", () => {
  traces += 1;
  const at = (name: "begin" | "end", time: number, vtid = 7) => ({
    id: name === "begin" ? 0 : 1,
    time: BigInt(time),
    body: (bits: { integer(value: bigint, size: number, little: boolean): void }) =>
      bits.integer(BigInt(vtid), 32, true),
  });
  const set = openTraces(
    writeTrace(join(root, String(traces)), {
      metadata: `${HEAD}${streamBlock(0, "event.context := struct { u32 vtid; };")}
        event { name = "a_begin"; id = 0; stream_id = 0; }; event { name = "a_end"; id = 1; stream_id = 0; };`,
      cpu0: packet([at("begin", 10), at("begin", 15, 8), at("end", 40)], { instance: 0n }),
      cpu1: packet([at("end", 20), at("begin", 30), at("end", 35, 8)], { instance: 1n, cpu: 1 }),
    }),
  );
  for (const inTime of [true, false]) {
    const spans = [...spanItems(set, { inTime })].flatMap((item): unknown[] => {
      if (item.kind === "begin") return [];
      return item.kind === "losses" ? [item.kind] : [item.kind, item.thread.tid, item.time];
    });
    expect(spans).toEqual(["end", 7, 10, "end", 8, 25, "end", 7, 30]);
  }
});

test("whose events are: vtid before tid, the thread's name before the program's", () => {
  traces += 1;
  const set = openTraces(
    writeTrace(join(root, String(traces)), {
      metadata: `${HEAD}${streamBlock(0, "event.context := struct { u32 tid; u32 vtid; string procname; string thread_name; };")}
        event { name = "a"; id = 0; stream_id = 0; };`,
      one: packet([
        {
          time: 1n,
          body: (bits: { bytes(bytes: Uint8Array): void }) =>
            bits.bytes(Buffer.from("\x01\0\0\0\x02\0\0\0program\0worker\0")),
        },
      ]),
    }),
  );
  const [item] = [...spanItems(set)];
  if (item?.kind !== "event") throw new Error("no event");
  expect([item.thread.tid, item.thread.name]).toEqual([2, "worker"]);
});
