/**
 * Spans: ids and parents of nested, asynchronous and concurrent work, what ends
 * them, and what `trace` gives back. Counters, messages and thread names with them.
 */
import { expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";

import { nameThread, provider, tracef } from "../../src/index.ts";
import { thread } from "../../src/record/thread.ts";
import type { TraceEvent } from "../support/babeltrace.ts";
import { Place } from "../support/place.ts";
import { recordHere } from "../support/record-here.ts";
import { type Ended, run } from "../support/run.ts";

setDefaultTimeout(120_000);

const here = provider("test");
const work = here.span("work", [["label", "string"]]);
const bare = here.span("bare");

/** A span as the trace has it. */
interface Node {
  readonly label: string;
  /** Label of the span around it; undefined for none. */
  readonly parent: string | undefined;
  readonly failed: string | undefined;
}

/** The spans in a trace, in the order of their begins. Fails on ids that are used twice or end twice. */
function spansOf(events: readonly TraceEvent[]): Node[] {
  const labels = new Map<unknown, string>();
  const ends = new Map<unknown, string>();
  for (const { name, fields } of events) {
    const id = fields["span_id"];
    const map = name.endsWith("_begin") ? labels : ends;
    if (!name.endsWith("_begin") && !name.endsWith("_end")) continue;
    if (map.has(id) || id === 0) throw new Error(`span ${String(id)} again in ${name}`);
    map.set(id, String(name.endsWith("_begin") ? (fields["label"] ?? name) : fields["failed"]));
  }
  return events
    .filter(({ name }) => name.endsWith("_begin"))
    .map(({ fields, name }) => ({
      label: String(fields["label"] ?? name),
      parent: labels.get(fields["parent_id"]),
      failed: ends.get(fields["span_id"]),
    }));
}

const done = "false";
const failed = "true";

test("entered spans nest, whatever leaves the block", async () => {
  const { events } = await recordHere(() => {
    using _ = work.enter("outer");
    for (const label of ["first", "second"]) {
      using _ = work.enter(label);
      if (label === "second") continue;
      using __ = work.enter("innermost");
    }
    try {
      using _ = work.enter("thrown through");
      throw new Error("out");
    } catch {
      using _ = work.enter("after");
    }
  });
  expect(spansOf(events)).toEqual([
    { label: "outer", parent: undefined, failed: done },
    { label: "first", parent: "outer", failed: done },
    { label: "innermost", parent: "first", failed: done },
    { label: "second", parent: "outer", failed: done },
    { label: "thrown through", parent: "outer", failed: done },
    { label: "after", parent: "outer", failed: done },
  ]);
});

test("traced functions: what they return and throw is passed on, and failure marked", async () => {
  const error = new Error("on purpose");
  const value = { value: true };
  const { events } = await recordHere(async () => {
    expect(work.trace(() => value, "sync")).toBe(value);
    expect(() =>
      work.trace(() => {
        throw error;
      }, "sync throws"),
    ).toThrow(error);
    expect(await work.trace(async () => value, "async")).toBe(value);
    const rejection = work.trace(() => Promise.reject(error), "async rejects");
    expect(await rejection.catch((reason: unknown) => reason)).toBe(error);
    expect(await work.trace(async () => work.trace(async () => 7, "inner"), "around")).toBe(7);
    expect(bare.trace(() => 1)).toBe(1);
  });
  expect(spansOf(events)).toEqual([
    { label: "sync", parent: undefined, failed: done },
    { label: "sync throws", parent: undefined, failed },
    { label: "async", parent: undefined, failed: done },
    { label: "async rejects", parent: undefined, failed },
    { label: "around", parent: undefined, failed: done },
    { label: "inner", parent: "around", failed: done },
    { label: "test:bare_begin", parent: undefined, failed: done },
  ]);
});

test("concurrent work: each span has its own parent, across awaits, timers and callbacks", async () => {
  const task = (name: string, ms: number): Promise<void> =>
    work.trace(async () => {
      await Bun.sleep(ms);
      work.trace(() => {}, `${name} after await`);
      await new Promise<void>((resolve) =>
        setTimeout(() => {
          using _ = work.enter(`${name} in timer`);
          resolve();
        }, ms),
      );
      await Promise.all([1, 2].map((n) => work.trace(() => Bun.sleep(ms * n), `${name} part ${n}`)));
      queueMicrotask(() => work.trace(() => {}, `${name} in microtask`));
      await Promise.resolve();
    }, name);
  const { events } = await recordHere(async () => {
    await Promise.all([task("a", 3), task("b", 2), task("c", 1)]);
    await work.trace(async () => {}, "alone");
  });
  const nodes = spansOf(events);
  const children = (parent: string | undefined): string[] =>
    nodes
      .filter((node) => node.parent === parent)
      .map(({ label }) => label)
      .sort();
  expect(children(undefined)).toEqual(["a", "alone", "b", "c"]);
  for (const name of ["a", "b", "c"])
    expect(children(name)).toEqual(
      ["after await", "in microtask", "in timer", "part 1", "part 2"].map((what) => `${name} ${what}`),
    );
  expect(nodes.every((node) => node.failed === done)).toBe(true);
});

test("an entered span is the parent of what is traced inside it, and no longer after it", async () => {
  const { events } = await recordHere(async () => {
    let later: Promise<void>;
    {
      using _ = work.enter("entered");
      later = work.trace(async () => {
        using __ = work.enter("before await");
        await Promise.resolve();
        work.trace(() => {}, "deep");
      }, "traced");
      work.trace(() => {}, "beside");
    }
    work.trace(() => {}, "outside");
    await later;
  });
  const parents = Object.fromEntries(spansOf(events).map(({ label, parent }) => [label, parent]));
  expect(parents).toMatchObject({ traced: "entered", "before await": "traced", beside: "entered" });
  expect(parents["outside"]).toBeUndefined();
});

test("spans begun and ended by hand", async () => {
  const { events } = await recordHere(() => {
    const first = work.begin("first");
    const second = work.begin("second");
    work.end(first);
    work.end(second, true);
    work.end(0);
    expect([first, second].every((id) => id > 0)).toBe(true);
  });
  expect(spansOf(events)).toEqual([
    { label: "first", parent: undefined, failed: done },
    { label: "second", parent: undefined, failed },
  ]);
});

test("what is not recorded runs as it is", async () => {
  expect(work.enabled).toBe(false);
  expect(work.begin("off")).toBe(0);
  expect(work.trace(() => 5, "off")).toBe(5);
  using _ = work.enter("off");
  const promise = Promise.resolve(5);
  expect(work.trace(() => promise, "off")).toBe(promise);
});

test("a span that is off takes nothing from those around it", async () => {
  const off = provider("other").span("off");
  const { events } = await recordHere(() => {
    work.trace(() => {
      off.run(off.begin(), () => work.enter("in off")[Symbol.dispose]());
      off.trace(() => work.enter("in off's trace")[Symbol.dispose]());
      using _ = work.enter("entered");
      work.enter("inner")[Symbol.dispose]();
    }, "outer");
  });
  expect(spansOf(events).map(({ label, parent }) => [label, parent])).toEqual([
    ["outer", undefined],
    ["in off", "outer"],
    ["in off's trace", "outer"],
    ["entered", "outer"],
    ["inner", "entered"],
  ]);
});

test("after four billion spans ids begin again, and not with that of none", async () => {
  await recordHere(() => {
    thread.lastSpan = 2 ** 32 - 2;
    expect([bare.begin(), bare.begin()]).toEqual([2 ** 32 - 1, 1]);
  });
});

test("thenables and promises of other kinds are given back as they are", async () => {
  class Lazy extends Promise<number> {}
  const lazy = Lazy.resolve(5);
  let started = 0;
  const thenable = {
    // oxlint-disable-next-line unicorn/no-thenable -- what a lazy query is
    then(resolve: (value: number) => void) {
      started++;
      resolve(5);
    },
  };
  await recordHere(async () => {
    expect(work.trace(() => lazy, "lazy")).toBe(lazy);
    expect(work.trace(() => thenable, "thenable")).toBe(thenable);
    expect(started).toBe(0);
  });
});

test("a rejection of a traced promise that nobody handles is reported once", async () => {
  await using place = new Place();
  const program = join(import.meta.dirname, "programs/unhandled.ts");
  const heard = await run(place, program, { args: ["listen"] });
  expect([heard.stdout, heard.status]).toEqual(["1 unhandled rejections\n", 0]);
  const traced = await run(place, program);
  const plain = await run(place, program, { traced: false });
  const reports = ({ stderr }: Ended): number => stderr.match(/^error: nobody handles this/gm)?.length ?? 0;
  expect([reports(traced), traced.status, traced.stdout]).toEqual([
    reports(plain),
    plain.status,
    plain.stdout,
  ]);
  expect(reports(plain)).toBe(1);
});

test("counters record what they are set to and add up", async () => {
  const depth = here.counter("depth", "i32");
  const load = here.counter("load");
  const { events } = await recordHere(() => {
    depth(5);
    depth.add();
    depth.add(-3);
    load(0.25);
    load.add(0.5);
    expect([depth.enabled, depth.name]).toEqual([true, "test:depth"]);
  });
  expect(events.map(({ name, fields }) => [name, fields["value"]])).toEqual([
    ["test:depth", 5],
    ["test:depth", 6],
    ["test:depth", 3],
    ["test:load", 0.25],
    ["test:load", 0.75],
  ]);
});

test("tracef formats as node does, and only where it is recorded", async () => {
  let shown = 0;
  const costly = {
    toString() {
      shown++;
      return "costly";
    },
  };
  tracef("off %s", costly);
  expect(shown).toBe(0);
  const { events } = await recordHere(() => {
    tracef("plain");
    tracef("%s is %d, %j %%", "x", 5, { a: 1 }, "more");
    tracef("%s", Symbol("s"));
    tracef({
      toString() {
        throw new Error("no text");
      },
    } as unknown as string);
    tracef("not a number: %d", {
      [Symbol.toPrimitive]() {
        throw new Error("no number");
      },
    });
  });
  expect(events.slice(0, 3).map(({ name, fields }) => [name, fields["message"]])).toEqual([
    ["buntrace:tracef", "plain"],
    ["buntrace:tracef", 'x is 5, {"a":1} % more'],
    ["buntrace:tracef", "Symbol(s)"],
  ]);
  expect(events.slice(4).map(({ fields }) => fields["message"])).toEqual(["not a number: %d"]);
});

test("a thread's name is in its packets, cut at a character boundary", async () => {
  const point = here.tracepoint("named");
  const { events } = await recordHere(async (session) => {
    point();
    await session.flush();
    for (const name of ["worker 1", "ä".repeat(20), "x".repeat(40), "nul\0inside"]) {
      nameThread(name);
      point();
      await session.flush();
    }
  });
  expect(events.map(({ threadName }) => threadName)).toEqual([
    "main",
    "worker 1",
    "ä".repeat(15),
    "x".repeat(31),
    "nulinside",
  ]);
});
