/**
 * Random overlapping spans, some of whose begins and ends were discarded, in the
 * formats that viewers draw and in OTLP: nothing overlaps where it must nest, and each
 * span is there once, with its times. BUNTRACE_EXPORT_CASES sets how many.
 */
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { randomForest, writeForest } from "../spans/forest.ts";
import { type ExpectedSpan, expectedSpans, type Told } from "../spans/oracle.ts";
import { exportHere } from "../support/exported.ts";
import { numberFromEnvironment, runCases } from "../support/random.ts";
import { readChrome } from "./readers/chrome.ts";
import type { Drawn } from "./readers/drawn.ts";
import { attributesOf, type OtlpSpan, readJson, readProto } from "./readers/otlp.ts";
import { readPerfetto } from "./readers/perfetto.ts";
import { readSpeedscope } from "./readers/speedscope.ts";

const root = mkdtempSync(join(tmpdir(), "buntrace-export-"));
afterAll(() => rmSync(root, { recursive: true }));

const CASES = numberFromEnvironment("BUNTRACE_EXPORT_CASES", 25);

/** The clock of hand-made traces: its zero, nanoseconds since the Unix epoch. */
const ZERO = 1_700_000_000_000_000_005n;

/** A span in one line, comparable. */
function line(span: {
  name: string;
  start: bigint;
  end: bigint | undefined;
  id: unknown;
  parent: unknown;
  failed: unknown;
  own: unknown;
  endOwn: unknown;
}): string {
  const { name, start, end, id, parent, failed, own, endOwn } = span;
  return [name, start, end ?? "open", id, parent ?? 0, failed ?? false, own, endOwn ?? "none"]
    .map(String)
    .join(" ");
}

function expectedLine({ name, start, end, id, parentId, failed, own, endOwn }: ExpectedSpan): string {
  return line({
    name,
    start: ZERO + BigInt(start),
    end: end === undefined ? undefined : ZERO + BigInt(end),
    id,
    parent: parentId,
    failed,
    own,
    endOwn,
  });
}

function drawnLines({ spans }: Drawn, from: bigint): string[] {
  return spans.map(({ name, start, end, args }) =>
    line({
      name,
      start: start + from,
      end: end === undefined ? undefined : end + from,
      id: args["span_id"],
      parent: args["parent_id"],
      failed: args["failed"],
      own: args["own"],
      endOwn: args["end.own"],
    }),
  );
}

function otlpLines(found: readonly { readonly item: OtlpSpan }[]): string[] {
  return found.map(({ item }) => {
    const { own, "end.own": endOwn, "buntrace.end": how } = attributesOf(item.attributes);
    const id = (hex: string | undefined): number => Number.parseInt(hex?.slice(8) || "0", 16);
    return line({
      name: item.name,
      start: BigInt(item.startTimeUnixNano),
      end: how === undefined ? BigInt(item.endTimeUnixNano) : undefined,
      id: id(item.spanId),
      parent: id(item.parentSpanId),
      failed: item.status.code === 2 || String(item.status.code) === "STATUS_CODE_ERROR",
      own,
      endOwn,
    });
  });
}

/** How long spans of each name took together, up to the last event where they have no end. */
function sums(
  spans: readonly { name: string; start: bigint; end: bigint | undefined }[],
  last: bigint,
): Map<string, bigint> {
  const found = new Map<string, bigint>();
  for (const { name, start, end = last } of spans) found.set(name, (found.get(name) ?? 0n) + end - start);
  return new Map([...found].filter(([, sum]) => sum > 0n).toSorted());
}

function check(
  kept: readonly Told[],
  { spans, strayEnds }: ReturnType<typeof expectedSpans>,
  drawn: Drawn,
  from: bigint,
): void {
  expect(drawnLines(drawn, from).toSorted()).toEqual(spans.map(expectedLine).toSorted());
  const notes = kept.filter(({ kind }) => kind === "other").length;
  expect(drawn.instants).toHaveLength(notes + strayEnds);
}

test("random spans nest where they must, and are all there", async () => {
  await runCases("test/export/forest.test.ts", CASES, 1, async (random, index) => {
    const directory = join(root, String(index));
    const forest = randomForest(random, {
      streams: random.between(1, 3),
      events: random.between(2, 400),
      lostPercent: random.below(2) === 0 ? 0 : 10,
    });
    writeForest(directory, random, forest);
    const expected = expectedSpans(forest.kept);
    const file = join(root, `${index}.out`);
    const lost = forest.discarded.length;

    const perfetto = await exportHere(directory, "perfetto", file);
    const drawn = readPerfetto(perfetto.bytes);
    check(forest.kept, expected, drawn, 0n);
    const lostIn = ({ losses }: Drawn): number =>
      losses.reduce((sum, { name }) => sum + Number(/^(\d+) events? discarded/.exec(name)?.[1] ?? 0), 0);
    expect(lostIn(drawn)).toBe(lost);

    const chrome = await exportHere(directory, "chrome", file);
    const inChrome = readChrome(chrome.bytes);
    check(forest.kept, expected, inChrome, inChrome.begin);
    expect(lostIn(inChrome)).toBe(lost);

    const speedscope = await exportHere(directory, "speedscope", file);
    const last = ZERO + BigInt(Math.max(...forest.kept.map(({ time }) => time)));
    const pieces = readSpeedscope(speedscope.bytes).spans;
    expect(sums(pieces, last)).toEqual(
      sums(
        expected.spans.map(({ name, start, end }) => ({
          name,
          start: ZERO + BigInt(start),
          end: end === undefined ? undefined : ZERO + BigInt(end),
        })),
        last,
      ),
    );

    const json = readJson<OtlpSpan>("traces", (await exportHere(directory, "otlp-json", file)).bytes);
    const proto = readProto<OtlpSpan>("traces", (await exportHere(directory, "otlp-proto", file)).bytes);
    expect(otlpLines(json).toSorted()).toEqual(expected.spans.map(expectedLine).toSorted());
    expect(otlpLines(proto).toSorted()).toEqual(otlpLines(json).toSorted());
    checkTraces(json.map(({ item }) => item));
    rmSync(directory, { recursive: true });
  });
});

/** Children are in their parents' traces where these began before them, and are in the file. */
function checkTraces(spans: readonly OtlpSpan[]): void {
  const byId = new Map(spans.map((span) => [span.spanId, span]));
  expect(byId.size).toBe(spans.length);
  for (const { parentSpanId, traceId } of spans) {
    const parent = byId.get(parentSpanId ?? "");
    if (parent !== undefined) expect(traceId).toBe(parent.traceId);
  }
}
