// Perfetto's own format: a trace of packets in protobuf, for ui.perfetto.dev and trace_processor. Called by
// commands/export.ts.
import type { PbfWriter } from "pbf";
import type { Fields, FieldValue } from "../ctf/objects.ts";
import type { Loss, Stream } from "../ctf/stream.ts";
import { lossName } from "../report/losses.ts";
import type { Span, SpanCursor } from "../spans/index.ts";
import { Counts } from "./counts.ts";
import { argumentsOf, categoryOf, tiesOf, spanArguments } from "./fields.ts";
import { Lanes } from "./lanes.ts";
import { CLOCKS, EVENT_TYPE, SEQUENCE_FLAGS, TRACE } from "./perfetto-schema.ts";
import { Tracks } from "./perfetto-tracks.ts";
import { Encoder, type Message } from "./protobuf.ts";
import type { Export, ExportSource, Outcome, SpanWriter } from "./source.ts";

/** The one sequence of packets. */
const SEQUENCE = 1;

/** Tracks are numbered from a multiple of this on, which the trace's UUID chooses. */
const TRACKS = 2 ** 32;

/** Multiples that doubles hold. */
const MULTIPLES = 2 ** 20;

const LARGEST_INT64 = 2n ** 63n - 1n;

/** Loads what encodes the packets. */
export async function loadPerfetto(): Promise<Export> {
  const { PbfWriter } = await import("pbf");
  return (source) => exportPerfetto(source, new PbfWriter(new Uint8Array(64 * 1024)));
}

/**
 * Writes the trace as one sequence of packets. Timestamps are nanoseconds since the Unix epoch, on the clock that is
 * Perfetto's default, and one snapshot says that it is the wall's.
 *
 * - Each process and thread is a track. Spans on a thread's first lane lie on the thread's track; each other lane is a
 *   track below it, all of one name, so that the viewer shows them together. The two packets of a span are written at its
 *   end: readers put packets in order of time, and only at its end is it known where a span lies. Packets of one track
 *   and one time are in their order.
 * - Spans that never ended are begins without an end, which the viewer draws so, and have the argument `unfinished`. Those
 *   whose end was lost end where that shows, with the argument `end_lost`.
 * - Other events are instants on a track of their own below the thread's, since nothing says which span they belong to;
 *   so are ends of spans whose begins are not in the trace. Counters are counter tracks below the thread's. Discarded
 *   events are slices over the time they are from.
 */
function exportPerfetto(source: ExportSource, pbf: PbfWriter): Outcome {
  return source.spans(new PerfettoWriter(source, pbf));
}

class PerfettoWriter implements SpanWriter {
  readonly #source: ExportSource;
  readonly #encoder: Encoder;
  readonly #tracks: Tracks;
  readonly #lanes = new Lanes(true);
  readonly #names = new Names();
  readonly #counts = new Counts();

  constructor(source: ExportSource, pbf: PbfWriter) {
    this.#source = source;
    this.#encoder = new Encoder(pbf);
    const uuids = source.set.traces.map(({ traceClass, path }) => traceClass.uuid ?? path).join();
    const first = (Number(Bun.hash.xxHash64(uuids) % BigInt(MULTIPLES)) + 1) * TRACKS;
    this.#tracks = new Tracks(first, (track_descriptor) => this.#packet({ track_descriptor }));
    const timestamp = source.set.base;
    const clocks = [CLOCKS.boottime, CLOCKS.realtime].map((clock_id) => ({ clock_id, timestamp }));
    const sequence_flags = SEQUENCE_FLAGS.incrementalStateCleared;
    this.#packet({ timestamp, sequence_flags, clock_snapshot: { clocks } });
  }

  take(cursor: SpanCursor): void {
    const { kind } = cursor;
    if (kind === "begin") this.#lanes.begin(cursor.span);
    else if (kind === "end" || kind === "end_lost") this.#span(cursor, kind === "end_lost");
    else if (kind === "running") this.#unfinished(cursor.span);
    else if (kind === "losses") for (const loss of cursor.losses) this.#loss(loss, cursor.stream);
    else if (kind === "counter") this.#counter(cursor);
    else {
      this.#counts.events += 1;
      const { record } = cursor;
      const track = this.#tracks.events(cursor.thread);
      this.#event(this.#source.timeOf(cursor), EVENT_TYPE.instant, track, record.name, argumentsOf(record));
    }
  }

  end(untimed: number): Outcome {
    return this.#counts.outcome(untimed);
  }

  #span(cursor: SpanCursor, endLost: boolean): void {
    const { span, time } = cursor;
    const lane = this.#lanes.of(span);
    this.#lanes.end(span, time);
    if (!this.#source.wants(span)) return;
    this.#counts.spans += 1;
    const track = this.#tracks.lane(lane);
    this.#begin(span, track, endLost ? { end_lost: true } : {});
    this.#packet({
      timestamp: this.#source.timeOf(cursor),
      track_event: { type: EVENT_TYPE.sliceEnd, track_uuid: track },
    });
  }

  #unfinished(span: Span): void {
    if (!this.#source.wants(span)) return;
    this.#counts.unfinished += 1;
    this.#begin(span, this.#tracks.lane(this.#lanes.of(span)), { unfinished: true });
  }

  #begin(span: Span, track: number, more: Fields): void {
    const args = { ...tiesOf(span), ...spanArguments(span), ...more };
    this.#event(this.#source.beginOf(span), EVENT_TYPE.sliceBegin, track, span.name, args);
  }

  #counter(cursor: SpanCursor): void {
    const { record, thread } = cursor;
    const value = record.fields?.["value"];
    const number = Number(value);
    if (!Number.isFinite(number)) {
      this.#counts.noNumbers += 1;
      return;
    }
    this.#counts.counters += 1;
    const track_uuid = this.#tracks.counter(thread, record.name);
    const track_event = { type: EVENT_TYPE.counter, track_uuid, ...counterValue(value, number) };
    this.#packet({ timestamp: this.#source.timeOf(cursor), track_event });
  }

  #loss(loss: Loss, stream: Stream): void {
    const { from, to, kind } = loss;
    if (from === undefined || to === undefined || from > to) return;
    this.#counts.losses += 1;
    const track = this.#tracks.losses(this.#source.traceOf(stream), stream, kind);
    this.#event(from, EVENT_TYPE.sliceBegin, track, lossName(loss), {});
    this.#packet({ timestamp: to, track_event: { type: EVENT_TYPE.sliceEnd, track_uuid: track } });
  }

  #event(timestamp: bigint, type: number, track_uuid: number, name: string, args: Fields): void {
    const fresh: Fresh = {};
    const track_event = {
      type,
      track_uuid,
      name_iid: this.#names.of("event_names", name, fresh),
      category_iids: this.#names.of("event_categories", categoryOf(name), fresh),
      debug_annotations: this.#annotations(args, fresh),
    };
    const sequence_flags = SEQUENCE_FLAGS.needsIncrementalState;
    this.#packet({
      timestamp,
      sequence_flags,
      interned_data: hasAny(fresh) ? fresh : undefined,
      track_event,
    });
  }

  #annotations(args: Fields, fresh: Fresh): Message[] {
    const all: Message[] = [];
    for (const name in args) {
      const name_iid = this.#names.of("debug_annotation_names", name, fresh);
      all.push({ name_iid, ...annotation(args[name] ?? 0) });
    }
    return all;
  }

  #packet(packet: Message): void {
    const message = { packet: { ...packet, trusted_packet_sequence_id: SEQUENCE } };
    this.#source.out.putBytes(this.#encoder.encode(TRACE, message));
  }
}

type NameKind = "event_names" | "event_categories" | "debug_annotation_names";

/** Names that a packet gives numbers to. */
type Fresh = Partial<Record<NameKind, { readonly iid: number; readonly name: string }[]>>;

function hasAny(fresh: Fresh): boolean {
  return Object.keys(fresh).length > 0;
}

/** Numbers of names, which stand in packets in their place; each name is given with the first packet that has it. */
class Names {
  readonly #numbers: Readonly<Record<NameKind, Map<string, number>>> = {
    event_names: new Map(),
    event_categories: new Map(),
    debug_annotation_names: new Map(),
  };

  of(kind: NameKind, name: string, fresh: Fresh): number {
    const numbers = this.#numbers[kind];
    let iid = numbers.get(name);
    if (iid === undefined) {
      iid = numbers.size + 1;
      numbers.set(name, iid);
      (fresh[kind] ??= []).push({ iid, name });
    }
    return iid;
  }
}

/** The value of a counter's TrackEvent: whole where it can be. */
function counterValue(value: FieldValue | undefined, number: number): Message {
  if (typeof value === "bigint" && value <= LARGEST_INT64) return { counter_value: value };
  return Number.isSafeInteger(number) ? { counter_value: number } : { double_counter_value: number };
}

/** The value of a DebugAnnotation. */
function annotation(value: FieldValue): Message {
  switch (typeof value) {
    case "number":
      return Number.isSafeInteger(value) && !Object.is(value, -0)
        ? { int_value: value }
        : { double_value: value };
    case "bigint":
      return value > LARGEST_INT64 ? { uint_value: value } : { int_value: value };
    case "string":
      return { string_value: value };
    case "boolean":
      return { bool_value: value };
    default:
      return Array.isArray(value) ? arrayAnnotation(value) : dictAnnotation(value);
  }
}

/** Without entries there would be no value at all. */
function arrayAnnotation(value: readonly FieldValue[]): Message {
  return value.length === 0 ? { string_value: "[]" } : { array_values: value.map(annotation) };
}

function dictAnnotation(value: Fields): Message {
  const entries = Object.entries(value);
  if (entries.length === 0) return { string_value: "{}" };
  return { dict_entries: entries.map(([name, inner]) => ({ name, ...annotation(inner) })) };
}
