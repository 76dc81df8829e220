/**
 * Defining event types: what is refused, with which words, and what the same
 * definition made again is.
 */
import { expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { type Field, provider } from "../../src/index.ts";
import { readReport } from "../support/babeltrace.ts";
import { Place } from "../support/place.ts";
import { recordHere } from "../support/record-here.ts";
import { runJson } from "../support/run.ts";

setDefaultTimeout(120_000);

const here = provider("test");

/** The message of what `define` throws; fails if it does not, or in more than a line. */
function refusal(define: () => unknown): string {
  try {
    define();
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    expect(error.message).not.toContain("\n");
    return error.message;
  }
  throw new Error("nothing was refused");
}

/** What a program without types can pass. */
function untyped(fields: unknown): readonly Field[] {
  return fields as readonly Field[];
}

const LONG = "x".repeat(101);
test.each([
  ["", 'provider name "": use 1 to 100 letters, digits, "_", "." and "-"'],
  ["a b", 'provider name "a b": use 1 to 100 letters, digits, "_", "." and "-"'],
  ["a:b", 'provider name "a:b": use 1 to 100 letters, digits, "_", "." and "-"'],
  [LONG, `provider name "${LONG}": use 1 to 100 letters, digits, "_", "." and "-"`],
  ["\n", 'provider name "\\n": use 1 to 100 letters, digits, "_", "." and "-"'],
])("provider %j is refused", (name, message) => {
  expect(refusal(() => provider(name))).toBe(message);
});

test("tracepoints, spans and counters check their names alike", () => {
  const use = 'use 1 to 100 letters, digits, "_", "." and "-"';
  expect(refusal(() => here.tracepoint("a b"))).toBe(`tracepoint name "a b": ${use}`);
  expect(refusal(() => here.span(""))).toBe(`span name "": ${use}`);
  expect(refusal(() => here.counter("ä"))).toBe(`counter name "ä": ${use}`);
  expect(refusal(() => here.tracepoint(5 as unknown as string))).toBe(`tracepoint name 5: ${use}`);
});

const NAME_RULE = "use letters, digits and _, not a digit first, at most 64";
const LABEL_RULE = "use 1 to 64 printable ASCII characters, no quote or backslash";
const REFUSED: readonly (readonly [fields: unknown, message: string])[] = [
  ["u8", "fields must be an array of [name, type] pairs, not string"],
  [{ a: "u8" }, "fields must be an array of [name, type] pairs, not object"],
  [[null], "field 0 is no [name, type] pair"],
  [[["a", "u8"], "b"], "field 1 is no [name, type] pair"],
  [[["a", "u8"], 5], "field 1 is no [name, type] pair"],
  [[["a"]], 'field "a": no field type undefined'],
  [[["1a", "u8"]], `field name "1a": ${NAME_RULE}`],
  [[["a-b", "u8"]], `field name "a-b": ${NAME_RULE}`],
  [[["", "u8"]], `field name "": ${NAME_RULE}`],
  [[["x".repeat(65), "u8"]], `field name "${"x".repeat(65)}": ${NAME_RULE}`],
  [[[5, "u8"]], `field name 5: ${NAME_RULE}`],
  [
    [
      ["a", "u8"],
      ["a", "u16"],
    ],
    'field name "a" is there twice',
  ],
  [
    [
      ["_a", "u8"],
      ["a", "u16"],
    ],
    'field name "a" after "_a": readers take one for the other',
  ],
  [[["a", "u9"]], 'field "a": no field type "u9"'],
  [[["a", "string[]"]], 'field "a": no field type "string[]"'],
  [[["a", "bool[]"]], 'field "a": no field type "bool[]"'],
  [[["a", "toString"]], 'field "a": no field type "toString"'],
  [[["a", null]], 'field "a": no field type null'],
  [[["a", { enum: null }]], 'field "a": no field type {"enum":null}'],
  [[["a", { enum: [] }]], "an enumeration needs at least one label"],
  [[["a", { enum: ["x", "x"] }]], 'enumeration label "x" is there twice'],
  [[["a", { enum: ["unknown"] }]], 'enumeration label "unknown" is reserved'],
  [[["a", { enum: ['a"b'] }]], `enumeration label "a\\"b": ${LABEL_RULE}`],
  [[["a", { enum: ["ü"] }]], `enumeration label "ü": ${LABEL_RULE}`],
  [[["a", { enum: [""] }]], `enumeration label "": ${LABEL_RULE}`],
  [[["a", { enum: [5] }]], `enumeration label 5: ${LABEL_RULE}`],
  [[["a", { enum: { x: -1 } }]], 'enumeration label "x": -1 is not an integer from 0 to 2^32 - 2'],
  [[["a", { enum: { x: 1.5 } }]], 'enumeration label "x": 1.5 is not an integer from 0 to 2^32 - 2'],
  [
    [["a", { enum: { x: 2 ** 32 - 1 } }]],
    'enumeration label "x": 4294967295 is not an integer from 0 to 2^32 - 2',
  ],
  [[["a", { enum: { x: "1" } }]], 'enumeration label "x": 1 is not an integer from 0 to 2^32 - 2'],
  [Array.from({ length: 65 }, (_, i) => [`f${i}`, "u8"]), "65 fields; the most is 64"],
  [
    Array.from({ length: 16 }, (_, i) => [`f${i}`, "string"]),
    "the fields could take 1048592 bytes; the most is 1048576: use fewer strings and arrays",
  ],
  [
    [["a", { enum: Array.from({ length: 5000 }, (_, i) => `a rather long label ${i}`) }]],
    "the declaration takes 172927 bytes; the most is 65000: use fewer or shorter labels",
  ],
];
test.each(REFUSED.map(([fields, message]) => [message, fields] as const))(
  "refused: %s",
  (message, fields) => {
    expect(refusal(() => here.tracepoint("refused", untyped(fields)))).toBe(`test:refused: ${message}`);
  },
);

test("a span's own fields are taken", () => {
  expect(refusal(() => here.span("refused", [["span_id", "u32"]]))).toBe(
    'test:refused: field name "span_id" is there twice',
  );
  expect(refusal(() => here.span("refused", [["parent_id", "u32"]]))).toBe(
    'test:refused: field name "parent_id" is there twice',
  );
});

test("levels and counters' types are checked", () => {
  const level = "loud" as "info";
  const levels = "emergency, alert, critical, error, warning, notice, info, debug";
  expect(refusal(() => here.tracepoint("refused", [], { level }))).toBe(`level "loud": use one of ${levels}`);
  for (const type of ["u7", "string", "u64", "u8[]"])
    expect(refusal(() => here.counter("refused", type as "u8"))).toBe(
      `test:refused: counter type "${type}": use one of u8, u16, u32, u53, i8, i16, i32, f32, f64`,
    );
});

test("the same definition made again is the same tracepoint, declared once", async () => {
  const fields = [["n", "u32"]] as const;
  const first = here.tracepoint("again", fields);
  expect(here.tracepoint("again", [["n", "u32"]])).toBe(first);
  expect(provider("test").tracepoint("again", fields)).toBe(first);
  expect(here.tracepoint("again", fields, { level: "debug" })).not.toBe(first);
  const { events, result } = await recordHere((session) => {
    first(1);
    here.tracepoint("again", [["n", "u32"]])(2);
    const metadata = readFileSync(join(session.traceDir ?? "", "metadata"), "utf8");
    return metadata.match(/name = "test:again";\n\tid = \d+;\n\tstream_id = 0;\n\tloglevel = 6;/g)?.length;
  });
  expect(result).toBe(1);
  expect(events.map(({ name, fields: { n } }) => [name, n])).toEqual([
    ["test:again", 1],
    ["test:again", 2],
  ]);
});

test("one name with other fields is another event type, and both can be read", async () => {
  const { events } = await recordHere(() => {
    here.tracepoint("twofold", [["n", "u32"]])(1);
    here.tracepoint("twofold", [["s", "string"]])("two");
    here.tracepoint("twofold", [["n", "u32"]])(3);
  });
  expect(events.map(({ name, fields }) => [name, fields])).toEqual([
    ["test:twofold", { n: 1 }],
    ["test:twofold", { s: "two" }],
    ["test:twofold", { n: 3 }],
  ]);
});

test("tracepoints have their names, and all characters that names may have are read back", async () => {
  const names = ["a", "A-b.c_9", ".", "-", "x".repeat(100)];
  const points = names.map((name) => here.tracepoint(name));
  expect(points.map(({ name }) => name)).toEqual(names.map((name) => `test:${name}`));
  const { events } = await recordHere(() => points.forEach((point) => point()));
  expect(events.map(({ name }) => name)).toEqual(names.map((name) => `test:${name}`));
});

test("more event types than the table holds: those beyond lose their events, counted", async () => {
  await using place = new Place();
  const tableSize = 8192;
  const program = join(import.meta.dirname, "programs/many-types.ts");
  expect(await runJson(place, program, { args: [String(tableSize + 5)] })).toEqual({ declared: tableSize });
  const { events, discarded } = await readReport(place.output);
  expect(events.length + discarded).toBe(tableSize + 5);
  expect(discarded).toBeGreaterThanOrEqual(5);
  expect(events.map(({ fields }) => fields["n"])).toEqual(events.map((_, i) => i));
  expect(events.map(({ name }) => name)).toEqual(events.map((_, i) => `test:type_${i}`));
});

test("a declaration that is written in part is taken back: those after it can be read", async () => {
  await using place = new Place();
  const program = join(import.meta.dirname, "programs/half-declared.ts");
  expect(await runJson(place, program, { args: [place.output] })).toBeGreaterThan(40_000);
  const { events, discarded } = await readReport(place.output);
  expect([events.map(({ name }) => name), discarded]).toEqual([["test:large", "test:whole"], 1]);
});
