/**
 * The second reading of a trace for `buntrace open`: the events that are shown one by one go into
 * columns, spans get rows, and of all of them, shown or not, sums and histograms are made. Runs in the
 * command's process.
 */
import type { EventRecord } from "../ctf/events.ts";
import type { EventBatch } from "../ctf/stream.ts";
import type { TraceSet } from "../ctf/trace.ts";
import { type EventClass, type Member } from "../ctf/types.ts";
import type { EventFilter } from "../report/filter.ts";
import { type Span, SpanCursor } from "../spans/index.ts";
import type { Choice } from "./choice.ts";
import { type Bytes, FieldColumn, type Texts } from "./columns.ts";
import { type ClassHeader, type ClassKind, type ColumnRef, IntWriter } from "./format.ts";
import { Numbers } from "./growing.ts";
import { SpanSums } from "./sums.ts";
import { type Survey, UNWANTED, wantsEvent } from "./survey.ts";
import { type Track, Tracks } from "./tracks.ts";

/** An event type while its events are gathered. */
class EventColumns {
  readonly index: number;
  readonly of: EventClass;
  readonly kind: ClassKind;
  /** Wanted events, shown or not. */
  count = 0;
  readonly #fields: {
    readonly scope: "fields" | "context" | "streamContext";
    name: string;
    column: FieldColumn;
  }[];

  constructor(index: number, of: EventClass, kind: ClassKind, texts: Texts) {
    this.index = index;
    this.of = of;
    this.kind = kind;
    const columns = (scope: "fields" | "context" | "streamContext", members: readonly Member[] = []) =>
      members
        .filter((member) => !member.hidden && !isLength(member, members))
        .map(({ name, type }) => ({ scope, name, column: new FieldColumn(name, type, texts) }));
    this.#fields = [
      ...columns("fields", of.fields?.members),
      ...columns("context", of.context?.members),
      ...columns("streamContext", of.streamClass.eventContext?.members),
    ];
  }

  push(record: EventRecord): void {
    for (const { scope, name, column } of this.#fields) column.push(record[scope]?.[name]);
  }

  pack(bytes: Bytes): ClassHeader {
    const { name, logLevel } = this.of;
    const fields = this.#fields.map(({ column }) => column.pack(bytes));
    const header = { name, kind: this.kind, count: this.count, fields };
    return logLevel === undefined ? header : { ...header, level: logLevel };
  }
}

/** Whether a field only says how long an array is, which the array itself shows. */
function isLength({ type }: Member, members: readonly Member[]): boolean {
  return members.some(({ type: other }) => other.kind === "sequence" && other.length === type);
}

/** A shown span that runs. */
interface Open {
  readonly index: number;
  readonly lane: number;
  readonly track: Track;
  /** Up to when it ran for sure, when events of its thread were lost since: its row is free then. */
  sureUntil: number | undefined;
}

/** Reads a trace for the second time. */
export class Gatherer {
  readonly tracks = new Tracks();
  readonly sums: SpanSums;
  readonly times = new IntWriter();
  readonly uncertain: [number, number][] = [];
  /** Ends of spans whose begins are not in the trace, and begins and ends that nothing ties. */
  untied = 0;
  /** Events without a time. */
  timeless = 0;
  shown = 0;
  readonly #cursor: SpanCursor;
  readonly #base: bigint;
  readonly #survey: Survey;
  readonly #choice: Choice;
  readonly #filter: EventFilter;
  readonly #texts: Texts;
  readonly #classes = new Map<EventClass, EventColumns>();
  readonly #eventClass = new IntWriter();
  readonly #eventTrack = new IntWriter();
  readonly #spanBegin = new IntWriter();
  readonly #spanEnd = new Numbers();
  readonly #spanFailed = new Numbers();
  readonly #spanParent = new IntWriter();
  readonly #spanName = new IntWriter();
  readonly #spanLane = new IntWriter();
  readonly #open = new Map<Span, Open>();
  /** Spans that run and are wanted, but not shown. */
  readonly #hidden = new Set<Span>();
  #eventNumber = 0;
  #spanNumber = 0;
  #time = 0;

  constructor(set: TraceSet, found: Survey, choice: Choice, filter: EventFilter, texts: Texts) {
    this.#cursor = new SpanCursor(set, { range: { since: filter.range.since } });
    this.#base = set.base;
    this.#survey = found;
    this.#choice = choice;
    this.#filter = filter;
    this.#texts = texts;
    this.sums = new SpanSums(this.#cursor.paths);
  }

  /** Reads to the end. @param onBatch is told how far it is */
  run(onBatch: (batch: EventBatch) => void): void {
    const cursor = this.#cursor;
    let packet: unknown;
    while (cursor.next()) {
      if (cursor.kind === "losses") {
        this.#lose();
        continue;
      }
      if (cursor.kind === "running" || cursor.kind === "end_lost") {
        this.#leave(cursor.span);
        continue;
      }
      if (cursor.batch.packet !== packet) {
        packet = cursor.batch.packet;
        onBatch(cursor.batch);
      }
      const { time } = cursor;
      if (time >= this.#time) this.#time = time;
      else if (Number.isNaN(time)) this.timeless += 1;
      if (cursor.kind === "begin") this.#begin();
      else if (cursor.kind === "end") this.#end();
      else this.#event();
      this.#eventNumber += 1;
    }
    this.tracks.finish();
    this.untied += cursor.untied;
  }

  #begin(): void {
    const { span } = this.#cursor;
    const ordinal = this.#spanNumber;
    this.#spanNumber += 1;
    if (this.#survey.spans[ordinal] === UNWANTED) return;
    const track = this.tracks.of(span.thread, this.#cursor.stream);
    const type = this.#classOf("begin");
    if (!this.#choice.span(ordinal, this.#eventNumber)) {
      this.#hide(track, type);
      this.#hidden.add(span);
      return;
    }
    const parent = this.#shownAround(span);
    const lane = track.lanes.take(parent?.track === track ? parent.lane : -1);
    this.#open.set(span, { index: this.#spanEnd.length, lane, track, sureUntil: undefined });
    this.#spanBegin.push(this.shown);
    this.#spanEnd.push(-1);
    this.#spanFailed.push(0);
    this.#spanParent.push(parent?.index ?? -1);
    this.#spanName.push(this.sums.name(span.name));
    this.#spanLane.push(lane);
    this.#show(track, type);
  }

  #end(): void {
    const { span } = this.#cursor;
    const open = this.#open.get(span);
    const type = this.#classOf("end");
    if (open !== undefined) {
      this.#spanEnd.set(open.index, this.shown);
      this.#spanFailed.set(open.index, Number(span.failed));
      this.#close(span, open);
      this.#show(open.track, type);
    } else if (this.#hidden.delete(span)) {
      this.#hide(this.tracks.of(span.thread, this.#cursor.stream), type);
    } else return;
    this.sums.add(span);
  }

  #event(): void {
    const cursor = this.#cursor;
    const { kind } = cursor;
    if (!wantsEvent(this.#filter, cursor)) return;
    if (kind === "begin_lost") this.untied += 1;
    const type = this.#classOf(kind === "counter" ? "counter" : kind === "begin_lost" ? "end" : "event");
    const track = this.tracks.of(cursor.thread, cursor.stream);
    if (this.#choice.event(cursor.event, this.#eventNumber, type.count)) this.#show(track, type);
    else this.#hide(track, type);
  }

  /** A span that never ended, or whose end is not in the trace. */
  #leave(span: Span): void {
    const open = this.#open.get(span);
    if (open === undefined && !this.#hidden.delete(span)) return;
    const isLost = this.#cursor.kind === "end_lost";
    if (isLost) this.untied += 1;
    else if (!span.endMayBeLost) this.sums.addRunning(span.name);
    if (open === undefined) return;
    if (isLost || span.endMayBeLost) {
      const until = isLost ? this.#time : Math.min(span.thread.losses.until, this.#survey.end);
      this.uncertain.push([open.index, open.sureUntil ?? until]);
    }
    this.#close(span, open);
  }

  /** What runs now may have ended unseen: its row is given to others. */
  #lose(): void {
    const { stream, losses } = this.#cursor;
    this.tracks.addLosses(stream, losses);
    const from = losses[0]?.from;
    const sureUntil = from === undefined ? this.#time : Number(from - this.#base);
    for (const [span, open] of this.#open) {
      if (open.track.stream !== stream || open.sureUntil !== undefined) continue;
      open.track.lanes.release(open.lane);
      open.sureUntil = Math.max(sureUntil, span.start);
    }
  }

  #close(span: Span, open: Open): void {
    this.#open.delete(span);
    if (open.sureUntil === undefined) open.track.lanes.release(open.lane);
  }

  /** The nearest span around that is shown and runs. */
  #shownAround(span: Span): Open | undefined {
    for (let around = span.parent; around !== undefined; around = around.parent) {
      const open = this.#open.get(around);
      if (open !== undefined) return open;
    }
    return undefined;
  }

  #show(track: Track, type: EventColumns): void {
    type.count += 1;
    this.shown += 1;
    this.times.push(this.#time);
    this.#eventClass.push(type.index);
    this.#eventTrack.push(track.index);
    type.push(this.#cursor.record);
  }

  #hide(track: Track, type: EventColumns): void {
    type.count += 1;
    const { begin, end } = this.#survey;
    track.addHidden((this.#time - begin) / (end - begin || 1));
  }

  #classOf(kind: ClassKind): EventColumns {
    const { event } = this.#cursor;
    let columns = this.#classes.get(event);
    if (columns === undefined) {
      columns = new EventColumns(this.#classes.size, event, kind, this.#texts);
      this.#classes.set(event, columns);
    }
    return columns;
  }

  /** The classes and columns, as the header has them. */
  pack(bytes: Bytes): {
    readonly classes: readonly ClassHeader[];
    readonly event: Record<"time" | "class" | "track", ColumnRef>;
    readonly span: Record<"begin" | "end" | "parent" | "name" | "lane" | "failed", ColumnRef>;
  } {
    const all = (numbers: Numbers): ColumnRef => {
      const writer = new IntWriter();
      for (const value of numbers.values) writer.push(value);
      return bytes.ints(writer);
    };
    return {
      classes: [...this.#classes.values()].map((type) => type.pack(bytes)),
      event: {
        time: bytes.ints(this.times),
        class: bytes.ints(this.#eventClass),
        track: bytes.ints(this.#eventTrack),
      },
      span: {
        begin: bytes.ints(this.#spanBegin),
        end: all(this.#spanEnd),
        parent: bytes.ints(this.#spanParent),
        name: bytes.ints(this.#spanName),
        lane: bytes.ints(this.#spanLane),
        failed: all(this.#spanFailed),
      },
    };
  }
}
