/**
 * Emits one of everything that an export can meet: values of every field type, spans
 * that nest, overlap, fail, outlive the one around them and never end, counters, a
 * Worker. Prints what it emitted. Started by tests, under the recorder.
 */
import { isMainThread, Worker } from "node:worker_threads";

import { nameThread, provider } from "../../../src/index.ts";

const test = provider("test");
const values = test.tracepoint(
  "values",
  [
    ["small", "u8"],
    ["negative", "i32"],
    ["count", "u32"],
    ["large", "u64"],
    ["lowest", "i64"],
    ["exact", "u53"],
    ["single", "f32"],
    ["double", "f64"],
    ["yes", "bool"],
    ["text", "string"],
    ["data", "bytes"],
    ["kind", { enum: ["GET", "POST"] }],
    ["floats", "f64[]"],
    ["bigs", "u64[]"],
    // Names that a table, or a span, has for something else.
    ["event", "string"],
    ["tid", "u32"],
    ["value", "string"],
  ],
  { level: "warning" },
);
const outer = test.span("outer", [["label", "string"]]);
const inner = test.span("inner", [["n", "u32"]], { end: [["n", "i32"]] });
const depth = test.counter("depth", "i32");
const load = test.counter("load", "f64");
const worker = test.span("worker", [["n", "u32"]]);

const VALUES = [
  [
    0,
    -1,
    4294967295,
    2n ** 64n - 1n,
    -(2n ** 63n),
    2 ** 53 - 1,
    1.5,
    0.1,
    true,
    'a "b", c\nd',
    [0, 255],
    "POST",
  ],
  [255, 2147483647, 0, 0n, 1n, 0, NaN, -Infinity, false, "", [], "GET"],
  [7, -2147483648, 1, 2n ** 63n, -1n, 5, -0, 1e300, true, " ünïcödé ✓ \r", [1], "GET"],
] as const;

if (isMainThread) {
  const spans: unknown[] = [];
  for (const [at, [a, b, c, d, e, f, g, h, i, j, k, l]] of VALUES.entries())
    values(a, b, c, d, e, f, g, h, i, j, Uint8Array.from(k), l, [h, 1], [d, 1n], "own", at, "own");

  // Nested, with ends of their own.
  const a = outer.begin("a");
  outer.run(a, () => {
    const b = inner.begin(1);
    spans.push({ name: "test:inner", id: b, parent: a, n: 1, end: -5, failed: true });
    inner.end(b, true, -5);
    depth(3);
    load(0.5);
  });
  outer.end(a);
  spans.push({ name: "test:outer", id: a, label: "a" });

  // Overlapping, one outliving the one around it.
  const [c, d] = [outer.begin("c"), outer.begin("d")];
  const e = outer.run(c, () => inner.begin(2));
  const f = outer.run(c, () => inner.begin(3));
  outer.end(c);
  inner.end(f, false, 0);
  outer.end(d);
  inner.end(e, false, 7);
  spans.push(
    { name: "test:outer", id: c, label: "c" },
    { name: "test:outer", id: d, label: "d" },
    { name: "test:inner", id: e, parent: c, n: 2, end: 7 },
    { name: "test:inner", id: f, parent: c, n: 3, end: 0 },
  );
  depth(-2);
  load(NaN);
  depth(4);

  await new Promise((resolve) => new Worker(import.meta.filename).on("exit", resolve));

  // Never ended.
  const g = outer.begin("g");
  const h = outer.run(g, () => inner.begin(4));
  spans.push(
    { name: "test:outer", id: g, label: "g", unfinished: true },
    { name: "test:inner", id: h, parent: g, n: 4, unfinished: true },
  );
  console.log(JSON.stringify({ pid: process.pid, spans }));
} else {
  nameThread("helper");
  worker.end(worker.begin(9));
  depth(1);
}
