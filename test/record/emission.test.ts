/**
 * Emission never throws, and whatever is passed damages no other event: not by
 * what it is, not by what it does while it is being converted.
 */
import { expect, setDefaultTimeout, test } from "bun:test";

import { type FieldType, openSession, provider, type Tracepoint } from "../../src/index.ts";
import { recordHere } from "../support/record-here.ts";
import { HOSTILE } from "./hostile.ts";

setDefaultTimeout(120_000);

const here = provider("test");

/** A tracepoint as a program without types calls it. */
interface Untyped {
  (...values: unknown[]): void;
  record(values: unknown): void;
}

function untyped(point: unknown): Untyped {
  return point as Untyped;
}

const good = here.tracepoint("good", [
  ["n", "u32"],
  ["text", "string"],
  ["list", "u16[]"],
]);

const TYPES: readonly FieldType[] = [
  ...(["u8", "u16", "u32", "u53", "u64", "i8", "i16", "i32", "i64", "f32", "f64"] as const),
  ...(["bool", "string", "bytes", { enum: ["a", "b"] }] as const),
  ...(["u8[]", "u53[]", "u64[]", "i64[]", "i16[]", "f32[]", "f64[]"] as const),
];

test.each(TYPES.map((type) => [JSON.stringify(type), type] as const))("any value for %s", async (_, type) => {
  const point = untyped(
    here.tracepoint("any_value", [
      ["before", "u32"],
      ["x", type],
      ["after", "u32"],
    ]),
  );
  const names = Object.keys(HOSTILE);
  const { events } = await recordHere(() => {
    for (const [i, name] of names.entries()) {
      const value = HOSTILE[name];
      if (!value) throw new Error(`no ${name}`);
      point(i, value(), i);
      point.record({ before: i, x: value(), after: i });
      good(i, name, [i, i]);
    }
  });
  expect(events.length).toBe(names.length * 3);
  for (const [i, name] of names.entries()) {
    const [first, second, third] = events.slice(i * 3);
    expect<object>({ name, fields: { ...first?.fields, x: 0 } }).toEqual({
      name,
      fields: { before: i, x: 0, after: i },
    });
    expect(first?.fields).toEqual(second?.fields ?? {});
    expect(third?.fields).toEqual({ n: i, text: name, list: [i, i] });
  }
});

test("what values become", async () => {
  const values = { a: 0, s: "", f: 0, b: false, e: "a", big: 0, list: [] as number[] };
  const point = here.tracepoint("becomes", [
    ["a", "u8"],
    ["s", "string"],
    ["f", "f64"],
    ["b", "bool"],
    ["e", { enum: ["a", "b"] }],
    ["big", "i64"],
    ["list", "i16[]"],
  ]);
  const cases: readonly (readonly [args: unknown[], fields: Partial<typeof values>, altered: number])[] = [
    [[], { s: "undefined", f: NaN, e: "unknown", list: [] }, 3],
    [["7", 5, "1.5", 1, 1, 9.9, "12"], { a: 7, s: "5", f: 1.5, b: "true" as never, e: "b", big: 9 }, 1],
    [
      [300, null, true, "", "b", "-3", [1, "2"]],
      { a: 44, s: "null", f: 1, e: "b", big: -3, list: [1, 2] },
      0,
    ],
    [[Symbol("x"), Symbol("y"), Symbol("z"), Symbol("b"), "z", Symbol("n"), [Symbol("e")]], {}, 0],
  ];
  const { events, altered } = await recordHere(() => cases.forEach(([args]) => untyped(point)(...args)));
  expect(events[0]?.fields).toMatchObject({ ...cases[0]?.[1] });
  expect(events[1]?.fields).toMatchObject({ ...cases[1]?.[1] });
  expect(events[2]?.fields).toMatchObject({ ...cases[2]?.[1] });
  expect(events[3]?.fields).toEqual({
    a: 0,
    s: "Symbol(y)",
    f: 0,
    b: "true",
    e: "unknown",
    big: 0,
    list: [0],
  });
  // Counted: undefined as bigint, label and list; the text as a list; of the symbols all but text and bool.
  expect(altered).toBe(3 + 1 + 0 + 5);
});

test("a conversion that emits: its event is whole, and so is the one around it", async () => {
  const inner = here.tracepoint("inner", [
    ["n", "u32"],
    ["text", "string"],
  ]);
  const outer = here.tracepoint("outer", [
    ["first", "string"],
    ["n", "u32"],
    ["list", "u8[]"],
    ["last", "string"],
  ]);
  let n = 0;
  const text = {
    toString() {
      inner(++n, `inner ${n} `.repeat(50));
      return `text ${n}`;
    },
  };
  const number = {
    valueOf() {
      inner(++n, "");
      return 1000 + n;
    },
  };
  const list = {
    length: 2,
    get 0() {
      inner(++n, "y".repeat(1000));
      return n;
    },
    1: 9,
  };
  const { events } = await recordHere(() => {
    untyped(outer)(text, number, list, text);
    untyped(outer).record({
      first: "a",
      get n() {
        inner(++n, "getter");
        return n;
      },
      list: [1],
      last: "z",
    });
  });
  expect(events.map(({ name, fields }) => [name, fields])).toEqual([
    ["test:inner", { n: 1, text: "inner 1 ".repeat(50) }],
    ["test:inner", { n: 2, text: "" }],
    ["test:inner", { n: 3, text: "y".repeat(1000) }],
    ["test:inner", { n: 4, text: "inner 4 ".repeat(50) }],
    ["test:outer", { first: "text 1", n: 1002, list: [3, 9], last: "text 4" }],
    ["test:inner", { n: 5, text: "getter" }],
    ["test:outer", { first: "a", n: 5, list: [1], last: "z" }],
  ]);
});

test("a conversion that ends the session, or takes an array away, breaks nothing", async () => {
  const point = here.tracepoint("breaking", [
    ["list", "u8[]"],
    ["x", "u8"],
  ]);
  const list = new Uint8Array([1, 2, 3]);
  const { events } = await recordHere(async (session) => {
    untyped(point)(list, {
      valueOf() {
        structuredClone(list.buffer, { transfer: [list.buffer] });
        return 1;
      },
    });
    untyped(point)([4], {
      valueOf() {
        void session.close();
        return 2;
      },
    });
    untyped(point)([5], 3);
    await session.close();
    untyped(point)([6], 4);
  });
  expect(events[0]?.fields).toEqual({ list: [], x: 1 });
  // The one within which the session was closed may be in the trace; those after are not.
  expect(events.slice(1).every(({ fields }) => fields["x"] === 2)).toBe(true);
});

test("tracepoints are called in any way that functions are", async () => {
  const point = here.tracepoint("called", [["n", "u32"]]);
  const { events } = await recordHere(() => {
    untyped(point).call(null, 1);
    Reflect.apply(point, undefined, [2]);
    [3, 4].forEach(untyped(point));
    untyped(point)(5, 6, 7);
    const { record } = point;
    record({ n: 8 });
  });
  expect(events.map(({ fields }) => fields["n"])).toEqual([1, 2, 3, 4, 5, 8]);
});

test("`enabled` follows the session, and what is off is not recorded", async () => {
  const on = here.tracepoint("switched_on");
  const off = provider("other").tracepoint("switched_off");
  const both: Tracepoint<[]>[] = [on, off];
  expect(both.map(({ enabled }) => enabled)).toEqual([false, false]);
  on();
  const named = provider("other").tracepoint("switched_off_named", [["n", "u32"]]);
  let read = 0;
  const values = {
    get n() {
      return ++read;
    },
  };
  named.record(values);
  const { events } = await recordHere(() => {
    named.record(values);
    // Nobody asks for the values of what is off.
    expect(read).toBe(0);
    expect(both.map(({ enabled }) => enabled)).toEqual([true, false]);
    both.forEach((point) => point());
    const late = here.tracepoint("defined_late");
    expect(late.enabled).toBe(true);
    late();
  });
  expect(both.map(({ enabled }) => enabled)).toEqual([false, false]);
  expect(events.map(({ name }) => name)).toEqual(["test:switched_on", "test:defined_late"]);
  expect((await openSessionRefused()).message).toContain("output is empty");
});

/** Opening fails and leaves no session behind. */
async function openSessionRefused(): Promise<Error> {
  const error = await openSession({ output: "" }).catch((reason: unknown) => reason);
  if (!(error instanceof Error)) throw new Error("a session without output was opened");
  return error;
}
