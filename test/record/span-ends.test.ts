/**
 * Spans begun by hand: what runs inside them, the fields of their ends, and that
 * what their work throws is reported as if there was no span.
 */
import { expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";

import { provider } from "../../src/index.ts";
import { spansOf } from "../instrument/both.ts";
import { Place } from "../support/place.ts";
import { recordHere } from "../support/record-here.ts";
import { run } from "../support/run.ts";

setDefaultTimeout(120_000);

const here = provider("test");
const outer = here.span("outer", [["label", "string"]], {
  end: [
    ["status", "u16"],
    ["reason", "string"],
    ["big", "i64"],
    ["kind", { enum: ["good", "bad"] }],
    ["list", "u16[]"],
  ],
});
const inner = here.span("inner");

test("the end's fields hold what end() is given", async () => {
  const { events, altered } = await recordHere(() => {
    outer.end(outer.begin("given"), true, 404, "gone", -5n, "bad", [1, 2]);
  });
  expect(spansOf(events, "test:outer").map(({ end }) => end)).toEqual([
    { failed: "true", status: 404, reason: "gone", big: -5, kind: "bad", list: [1, 2] },
  ]);
  expect(altered).toBe(0);
});

test("and zeros where nobody gives any", async () => {
  const { events, altered } = await recordHere(async () => {
    outer.end(outer.begin("end"));
    outer.enter("enter")[Symbol.dispose]();
    outer.trace(() => {}, "trace");
    await outer.trace(async () => {}, "awaited");
    const thrower = (): never => {
      throw new Error("thrown");
    };
    expect(() => outer.trace(thrower, "thrown")).toThrow("thrown");
    await expect(outer.trace(async () => thrower(), "rejected")).rejects.toThrow("thrown");
  });
  const spans = spansOf(events, "test:outer");
  expect(spans.map(({ begin }) => begin["label"])).toEqual([
    "end",
    "enter",
    "trace",
    "awaited",
    "thrown",
    "rejected",
  ]);
  for (const { end, begin } of spans) {
    const { reason, kind, ...rest } = end;
    const failed = begin["label"] === "thrown" || begin["label"] === "rejected";
    expect(rest).toEqual({ failed: failed ? "true" : "false", status: 0, big: 0, list: [] });
    expect(kind).toBe("unknown");
    expect(typeof reason).toBe("string");
  }
  expect(altered).toBe(0);
});

test("run() makes what it runs the span's children, also later, and passes everything through", async () => {
  const { events } = await recordHere(async () => {
    const ids = [outer.begin("a"), outer.begin("b")] as const;
    await Promise.all(
      ids.map((id) =>
        outer.run(id, async () => {
          inner.enter()[Symbol.dispose]();
          await Bun.sleep(1);
          inner.enter()[Symbol.dispose]();
        }),
      ),
    );
    {
      using _ = outer.enter("around");
      outer.run(ids[0], () => inner.end(inner.begin()));
      inner.end(inner.begin());
    }
    const error = new Error("thrown");
    expect(() =>
      outer.run(ids[0], () => {
        throw error;
      }),
    ).toThrow(error);
    expect(outer.run(ids[1], () => 7)).toBe(7);
    expect(outer.run(0, () => 8)).toBe(8);
    for (const id of ids) outer.end(id);
  });
  const [a, b, around] = spansOf(events, "test:outer").map(({ id }) => id);
  expect(spansOf(events, "test:inner").map(({ parent }) => parent)).toEqual(
    [a, b, a, b, a, around].map(Number),
  );
});

test("fields that end() has already are refused", () => {
  expect(() => here.span("bad", [], { end: [["failed", "u8"]] })).toThrow("test:bad: ");
  expect(() => here.span("bad", [], { end: [["span_id", "u8"]] })).toThrow("test:bad: ");
});

test("an uncaught error in a span's work is reported where it was thrown", async () => {
  await using place = new Place();
  const program = join(import.meta.dirname, "programs/span-throws.ts");
  const traced = await run(place, program);
  expect(traced.status).toBe(1);
  expect(traced.stderr).toMatch(/error: thrown in the span\n +at fail \(\S*span-throws\.ts:7:/);
});
