/**
 * Wrong uses of the public API that `bun check` must refuse: every directive below
 * is an error where there is none. Never run; test/types.test.ts checks it.
 */
import { openSession, provider, tracef } from "../src/index.ts";

const test = provider("test");

const point = test.tracepoint("point", [
  ["id", "u32"],
  ["name", "string"],
]);
point(1, "a");
point.record({ id: 1, name: "a" });
// @ts-expect-error a string is no number
point("1", "a");
// @ts-expect-error the wrong order
point("a", 1);
// @ts-expect-error an argument is missing
point(1);
// @ts-expect-error an argument too many
point(1, "a", 2);
// @ts-expect-error a bigint is no number
point(1n, "a");
// @ts-expect-error undefined is no string
point(1, undefined);
// @ts-expect-error a name is missing
point.record({ id: 1 });
// @ts-expect-error a name that is no field
point.record({ id: 1, name: "a", more: 2 });
// @ts-expect-error a value of the wrong type
point.record({ id: "1", name: "a" });
// @ts-expect-error nothing comes back
const nothing: number = point(1, "a");
// @ts-expect-error it is not the program's to switch
point.enabled = true;

const wide = test.tracepoint("wide", [
  ["big", "u64"],
  ["signed", "i64"],
  ["safe", "u53"],
  ["half", "f32"],
  ["flag", "bool"],
]);
wide(1n, -1n, 2 ** 53, 0.5, true);
// @ts-expect-error u64 takes a bigint
wide(1, -1n, 1, 1, true);
// @ts-expect-error i64 takes a bigint
wide(1n, -1, 1, 1, true);
// @ts-expect-error u53 takes a number
wide(1n, -1n, 1n, 1, true);
// @ts-expect-error bool takes a boolean
wide(1n, -1n, 1, 1, 1);

const lists = test.tracepoint("lists", [
  ["bytes", "bytes"],
  ["numbers", "i16[]"],
  ["bigs", "u64[]"],
]);
lists(new Uint8Array(2), [1, 2], [1n]);
lists(new ArrayBuffer(2), new Int16Array(2), new BigUint64Array(2));
// @ts-expect-error bytes take no text
lists("text", [1], [1n]);
// @ts-expect-error an array of numbers holds no text
lists(new Uint8Array(2), ["1"], [1n]);
// @ts-expect-error an array of 64-bit numbers holds bigints
lists(new Uint8Array(2), [1], [1]);

const states = test.tracepoint("states", [
  ["state", { enum: ["open", "closed"] }],
  ["code", { enum: { ok: 200, missing: 404 } }],
]);
states("open", "missing");
// @ts-expect-error no label of the list
states("ajar", "ok");
// @ts-expect-error no label of the table
states("open", "fine");
// @ts-expect-error labels, no numbers
states("open", 200);

// @ts-expect-error no such field type
test.tracepoint("bad", [["x", "u9"]]);
// @ts-expect-error no arrays of strings
test.tracepoint("bad", [["x", "string[]"]]);
// @ts-expect-error fields are pairs
test.tracepoint("bad", ["x", "u8"]);
// @ts-expect-error no such level
test.tracepoint("bad", [], { level: "loud" });

const none = test.tracepoint("none");
none();
// @ts-expect-error it has no fields
none(1);

const span = test.span("span", [["label", "string"]]);
const traced: number = span.trace(() => 5, "label");
const awaited: Promise<string> = span.trace(async () => "x", "label");
// @ts-expect-error the work's own type comes back
const wrong: string = span.trace(() => 5, "label");
// @ts-expect-error the span's values are checked
span.trace(() => 5, 1);
// @ts-expect-error and may not be missing
span.enter();
// @ts-expect-error an id is a number
span.end("1");
// @ts-expect-error its end has no fields of its own
span.end(1, false, 5);
const ending = test.span("ending", [], { end: [["status", "u16"]] });
ending.end(1, false, 200);
ending.end(1);
const ran: string = ending.run(1, () => "x");
// @ts-expect-error the end's values are checked
ending.end(1, false, "200");
// @ts-expect-error the work's own type comes back here too
const ranWrong: number = ending.run(1, () => "x");

const counter = test.counter("counter", "u16");
counter(5);
// @ts-expect-error a counter counts numbers
counter("5");
// @ts-expect-error and adds numbers
counter.add(1n);
// @ts-expect-error not of every type
test.counter("bad", "string");

// @ts-expect-error the text comes first
tracef(5);

// @ts-expect-error no such mode
await openSession({ mode: "drop" });
// @ts-expect-error globs are a list
await openSession({ enable: "http:*" });
// @ts-expect-error no such option
await openSession({ outptu: "trace" });

export { awaited, nothing, ran, ranWrong, traced, wrong };
