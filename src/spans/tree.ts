// A span with what ran inside it: read once more, from its begin to its end, of a few that turned out to be wanted. Called
// by src/report. Memory: what runs, and a few children of each name and parent, however many there were.
import type { TraceSet } from "../ctf/trace.ts";
import { SpanCursor } from "./cursor.ts";
import type { Span } from "./span.ts";

/** Children of one name that a node keeps: the longest. */
const KEPT = 3;

/** Levels below the topmost that are kept. */
const MAX_DEPTH = 30;

/** A span in a tree, with the records of its events. */
export interface SpanNode {
  readonly span: Span;
  /** Up to the end of the topmost: what ended later was running. */
  state: Span["state"];
  /** Nanoseconds from its begin to its end or, of what ran, to the topmost's; NaN where its end is lost. */
  time: number;
  /** By name, in the order of the first begins. */
  readonly inside: Map<string, SameName>;
}

/** The spans of one name inside another one. */
export interface SameName {
  count: number;
  /** Nanoseconds, of all of them. */
  total: number;
  /** The longest, in the order of their begins. */
  kept: SpanNode[];
}

/** Where a node is in the tree being made. */
interface Place {
  readonly node: SpanNode;
  readonly depth: number;
  readonly around: SpanNode | undefined;
}

/**
 * The tree of a span. What runs inside it is told up to its end: what ends later counts as running.
 *
 * @param span as a pass without records gave it; not of a trace without times
 * @param time nanoseconds from its begin to its end or, of a span that runs, to the trace's
 */
export function spanTree(set: TraceSet, span: Span, time: number): SpanNode {
  const until = span.start + time;
  const range = { since: set.base + BigInt(span.start), until: set.base + BigInt(until) };
  const cursor = new SpanCursor(set, { range });
  const places = new WeakMap<Span, Place>();
  const running = new Set<Place>();
  let top: SpanNode | undefined;
  while (cursor.next() && !(cursor.time > until)) {
    if (cursor.kind === "begin") {
      const isTop = top === undefined && isSame(cursor.span, span);
      const { parent } = cursor.span;
      const around = isTop || parent === undefined ? undefined : places.get(parent);
      if (!isTop && (around === undefined || around.depth === MAX_DEPTH)) continue;
      cursor.span.beginRecord = cursor.record;
      const node: SpanNode = { span: cursor.span, state: "running", time: NaN, inside: new Map() };
      const place: Place = { node, depth: (around?.depth ?? -1) + 1, around: around?.node };
      if (isTop) top = node;
      places.set(cursor.span, place);
      running.add(place);
      around?.node.inside.set(
        node.span.name,
        around.node.inside.get(node.span.name) ?? { count: 0, total: 0, kept: [] },
      );
    } else if (cursor.kind === "end" || cursor.kind === "end_lost") {
      const place = places.get(cursor.span);
      if (place === undefined) continue;
      place.node.state = cursor.kind === "end" ? "ended" : "lost";
      if (cursor.kind === "end") {
        place.node.span.endRecord = cursor.record;
        place.node.time = cursor.span.duration;
      }
      running.delete(place);
      keep(place);
    }
  }
  for (const place of running) {
    place.node.time = until - place.node.span.start;
    keep(place);
  }
  return top ?? { span, state: span.state, time, inside: new Map() };
}

function isSame(one: Span, other: Span): boolean {
  return (
    one.start === other.start &&
    one.name === other.name &&
    one.stream === other.stream &&
    (!one.type.hasIds || one.id === other.id)
  );
}

/** Counts a node among those of its name, and keeps it there if it is one of the longest. */
function keep({ node, around }: Place): void {
  const same = around?.inside.get(node.span.name);
  if (same === undefined) return;
  same.count += 1;
  same.total += node.time || 0;
  same.kept.push(node);
  if (same.kept.length > KEPT) {
    const shortest = same.kept.reduce((least, one) => ((one.time || 0) < (least.time || 0) ? one : least));
    same.kept = same.kept.filter((one) => one !== shortest);
  }
  same.kept.sort((one, other) => one.span.start - other.span.start);
}
