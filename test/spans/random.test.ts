/**
 * Spans read from random forests, beside an oracle that searches lists: what ends
 * when, inside what, how long of it was its own; with events discarded, and both ways
 * of moving through a trace.
 */
import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { openTraces, type TraceSet } from "../../src/ctf/index.ts";
import { type Span, SpanCursor, type SpanItem, spanItems, type SpanPath } from "../../src/spans/index.ts";
import { numberFromEnvironment, type Random, runCases } from "../support/random.ts";
import { type ForestOptions, randomForest, writeForest } from "./forest.ts";
import { type ExpectedSpan, expectedSpans } from "./oracle.ts";

const CASES = numberFromEnvironment("BUNTRACE_SPAN_CASES", 25);

/** The clock's offset, in hand-made traces: 5 ns after this. */
const EPOCH = 1_700_000_000_000_000_005n;

async function withForest(
  random: Random,
  options: ForestOptions,
  use: (set: TraceSet, forest: ReturnType<typeof randomForest>) => void,
): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "buntrace-forest-"));
  const forest = randomForest(random, options);
  const set = openTraces(writeForest(directory, random, forest));
  try {
    use(set, forest);
  } finally {
    set.close();
    rmSync(directory, { recursive: true });
  }
}

function pathText({ name, parent }: SpanPath): string {
  return parent === undefined ? name : `${pathText(parent)} > ${name}`;
}

/** A span as the oracle has it; times on the trace's clock. */
function seen(span: Span, set: TraceSet, own: boolean): ExpectedSpan {
  const shift = Number(set.base - EPOCH);
  const ended = span.state === "ended";
  return {
    stream: (span.thread.tid ?? 0) - 100,
    id: span.id,
    parentId: span.parentId,
    name: span.name,
    path: pathText(span.path),
    start: span.start + shift,
    end: ended ? span.end + shift : undefined,
    self: ended ? span.self : undefined,
    failed: span.failed,
    own: own ? Number(span.fields["own"]) : undefined,
    endOwn: own && ended ? Number(span.endFields["own"]) : undefined,
  };
}

const order = (one: ExpectedSpan, other: ExpectedSpan): number =>
  one.stream - other.stream || one.start - other.start || one.id - other.id;

function sorted(spans: readonly ExpectedSpan[]): ExpectedSpan[] {
  return spans.toSorted(order);
}

test("items: every event, in time, and every span as the oracle has it", async () => {
  await runCases("test/spans/random.test.ts", CASES, 1, async (random) => {
    const options = { streams: 1 + random.below(4), events: 20 + random.below(200) };
    await withForest(random, options, (set, forest) => {
      const items = [...spanItems(set)];
      const { spans, strayEnds } = expectedSpans(forest.kept);
      expect(strayEnds).toBe(0);
      const events = items.filter(({ kind }) => kind !== "running");
      expect(events.map(({ kind }) => (kind === "event" ? "other" : kind))).toEqual(
        sortedAsMerged(forest.kept).map(({ kind }) => kind),
      );
      const told = items.filter((item) => item.kind === "end" || item.kind === "running");
      expect(sorted(told.map(({ span }) => seen(span, set, true)))).toEqual(sorted(spans));
      const running = items.filter((item) => item.kind === "running");
      expect(running).toHaveLength(spans.filter(({ end }) => end === undefined).length);
      for (const { span, time } of running) {
        expect(span.endMayBeLost).toBe(false);
        expect(time + Number(set.base - EPOCH)).toBe(forest.kept.at(-1)?.time ?? 0);
      }
      expectGrowing(items);
    });
  });
});

/** Of one time, the events of the stream with the lower number come first. */
function sortedAsMerged(told: ReturnType<typeof randomForest>["kept"]): typeof told {
  return told.toSorted((one, other) => one.time - other.time || one.stream - other.stream);
}

function expectGrowing(items: readonly SpanItem[]): void {
  let last = -Infinity;
  for (const item of items) {
    if (item.kind === "losses") continue;
    expect(item.time).toBeGreaterThanOrEqual(last);
    last = item.time;
  }
}

test("events discarded: what is whole is right, what is not is counted", async () => {
  await runCases("test/spans/random.test.ts", CASES, 1, async (random) => {
    const options = { streams: 1 + random.below(3), events: 20 + random.below(200), lostPercent: 10 };
    await withForest(random, options, (set, forest) => {
      const items = [...spanItems(set)];
      const { spans, strayEnds } = expectedSpans(forest.kept);
      expect(items.filter(({ kind }) => kind === "begin_lost")).toHaveLength(strayEnds);
      const told = items.filter((item) => item.kind === "end" || item.kind === "running");
      // With an end lost, nobody knows until when a child covered its parent: up to the parent's end, say both.
      expect(sorted(told.map(({ span }) => seen(span, set, true)))).toEqual(sorted(spans));
      const lost = items.flatMap((item) => (item.kind === "losses" ? item.losses : []));
      expect(lost.reduce((sum, { count }) => sum + (count ?? 0n), 0n)).toBe(BigInt(forest.discarded.length));
      // No span whose end was discarded may pass for one that ran to the trace's end.
      const gone = new Set(forest.discarded.map(({ stream, id, kind }) => `${kind} ${stream} ${id}`));
      for (const item of items) {
        if (item.kind !== "running" || !gone.has(`end ${(item.thread.tid ?? 0) - 100} ${item.span.id}`))
          continue;
        expect(item.span.endMayBeLost).toBe(true);
      }
    });
  });
});

test("the cursor, stream after stream and without records: the same spans", async () => {
  await runCases("test/spans/random.test.ts", CASES, 1, async (random) => {
    const options = {
      streams: 1 + random.below(4),
      events: 20 + random.below(200),
      lostPercent: random.below(5),
    };
    await withForest(random, options, (set, forest) => {
      const cursor = new SpanCursor(set, { inTime: false });
      const spans: ExpectedSpan[] = [];
      let events = 0;
      while (cursor.next()) {
        if (["event", "begin", "end", "begin_lost"].includes(cursor.kind)) events += 1;
        if (cursor.kind === "end" || cursor.kind === "running") spans.push(seen(cursor.span, set, false));
      }
      const bare = expectedSpans(forest.kept).spans.map((span) => ({
        ...span,
        own: undefined,
        endOwn: undefined,
      }));
      expect(sorted(spans)).toEqual(sorted(bare));
      expect(events).toBe(forest.kept.length);
    });
  });
});
