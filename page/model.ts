/**
 * The trace as the page has it: typed arrays made of the data in the document. Runs in the browser, as
 * all of page/ does; everything else reads it and changes nothing.
 */
import {
  type ClassHeader,
  type ColumnRef,
  type FieldHeader,
  type Header,
  HEADER_AT,
  readInts,
} from "../src/open/format.ts";

/** The end of a span that is not in the trace. */
export type Ending = "ended" | "failed" | "running" | "uncertain";

/** A field's value, as text. */
export interface Field {
  readonly name: string;
  readonly text: string;
}

/** The trace. Times are nanoseconds after the header's base. */
export class Model {
  readonly header: Header;
  /** Of each event, in the order of their times. */
  readonly times: Float64Array;
  readonly eventClass: Uint16Array;
  readonly eventTrack: Uint16Array;
  /** Number of the event among those of its class. */
  readonly eventRank: Uint32Array;
  /** The span that the event begins or ends; -1 for none. */
  readonly eventSpan: Int32Array;
  /** Of each span, in the order of their begins. */
  readonly spanBegin: Uint32Array;
  readonly spanEnd: Int32Array;
  readonly spanParent: Int32Array;
  readonly spanName: Uint16Array;
  readonly spanLane: Uint8Array;
  readonly spanFailed: Uint8Array;
  /** Where it starts and where it is drawn to: its end, or as long as it is known to run. */
  readonly spanStart: Float64Array;
  readonly spanStop: Float64Array;
  /** Spans without an end: running at the trace's end, the last begun first. */
  readonly running: readonly number[];
  readonly #uncertain: ReadonlyMap<number, number>;
  readonly #bytes: Uint8Array;
  readonly #columns = new Map<FieldHeader, Float64Array>();
  readonly #large = new Map<FieldHeader, ReadonlyMap<number, number>>();
  #texts: readonly string[] | undefined;

  /** @param bytes the header, and the columns after it */
  constructor(bytes: Uint8Array) {
    const head = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
    const header = readJson<Header>(bytes.subarray(HEADER_AT, HEADER_AT + head));
    this.header = header;
    this.#bytes = bytes.subarray(HEADER_AT + head);
    const { event, span } = header;
    const ints = <T extends Float64Array | Uint32Array | Int32Array | Uint16Array | Uint8Array>(
      ref: ColumnRef,
      make: new (length: number) => T,
    ): T => readInts(this.#bytes, ref, new make(ref[2]));
    this.times = ints(event.time, Float64Array);
    this.eventClass = ints(event.class, Uint16Array);
    this.eventTrack = ints(event.track, Uint16Array);
    this.spanBegin = ints(span.begin, Uint32Array);
    this.spanEnd = ints(span.end, Int32Array);
    this.spanParent = ints(span.parent, Int32Array);
    this.spanName = ints(span.name, Uint16Array);
    this.spanLane = ints(span.lane, Uint8Array);
    this.spanFailed = ints(span.failed, Uint8Array);
    this.#uncertain = new Map(header.uncertain);
    this.eventRank = ranks(this.eventClass, header.classes.length);
    this.eventSpan = new Int32Array(this.times.length).fill(-1);
    this.spanStart = new Float64Array(this.spanBegin.length);
    this.spanStop = new Float64Array(this.spanBegin.length);
    const running: number[] = [];
    for (let index = 0; index < this.spanBegin.length; index += 1) {
      const begin = this.spanBegin[index] ?? 0;
      const end = this.spanEnd[index] ?? -1;
      this.eventSpan[begin] = index;
      this.spanStart[index] = this.times[begin] ?? 0;
      if (end >= 0) {
        this.eventSpan[end] = index;
        this.spanStop[index] = this.times[end] ?? 0;
      } else {
        this.spanStop[index] = this.#uncertain.get(index) ?? header.end;
        if (!this.#uncertain.has(index)) running.push(index);
      }
    }
    this.running = running.reverse();
  }

  /** Whether some events are shown as density only: what is listed is not all then. */
  get isReduced(): boolean {
    return this.header.shown < this.header.events;
  }

  get spanCount(): number {
    return this.spanBegin.length;
  }

  ending(span: number): Ending {
    if ((this.spanEnd[span] ?? -1) >= 0) return this.spanFailed[span] === 1 ? "failed" : "ended";
    return this.#uncertain.has(span) ? "uncertain" : "running";
  }

  spanTrack(span: number): number {
    return this.eventTrack[this.spanBegin[span] ?? 0] ?? 0;
  }

  nameOfSpan(span: number): string {
    return this.header.spanNames[this.spanName[span] ?? 0]?.name ?? "";
  }

  classOf(event: number): ClassHeader | undefined {
    return this.header.classes[this.eventClass[event] ?? 0];
  }

  /** The fields of an event. */
  fields(event: number): Field[] {
    const rank = this.eventRank[event] ?? 0;
    const all = this.classOf(event)?.fields ?? [];
    return all.map((field) => ({ name: field.name, text: this.text(field, rank) }));
  }

  /** The values of a field: integers, doubles, or numbers of {@link texts}. */
  column(field: FieldHeader): Float64Array {
    let column = this.#columns.get(field);
    if (column === undefined) {
      const [start, size, count] = field.values;
      column =
        field.form === "float"
          ? new Float64Array(this.#bytes.slice(start, start + size).buffer)
          : readInts(this.#bytes, field.values, new Float64Array(count));
      this.#columns.set(field, column);
    }
    return column;
  }

  /** Integers of a field that a double does not hold, as numbers of texts by their rows. */
  large(field: FieldHeader): ReadonlyMap<number, number> {
    let large = this.#large.get(field);
    if (large === undefined) {
      const [rows, texts] = field.large ?? [
        [0, 0, 0],
        [0, 0, 0],
      ];
      const values = readInts(this.#bytes, texts, new Float64Array(texts[2]));
      large = new Map(
        [...readInts(this.#bytes, rows, new Float64Array(rows[2]))].map((row, at) => [row, values[at] ?? 0]),
      );
      this.#large.set(field, large);
    }
    return large;
  }

  /** The text of a field in one row. */
  text(field: FieldHeader, row: number): string {
    const value = this.column(field)[row] ?? 0;
    if (field.form === "text") return this.texts[value] ?? "";
    const large = field.large === undefined ? undefined : this.large(field).get(row);
    return large === undefined ? String(value) : (this.texts[large] ?? "");
  }

  /** All different texts of fields. */
  get texts(): readonly string[] {
    if (this.#texts === undefined) {
      const [start, size] = this.header.texts;
      this.#texts = readJson<string[]>(this.#bytes.subarray(start, start + size));
    }
    return this.#texts;
  }

  /** Index of the first event at a time or later. */
  eventAt(time: number): number {
    return lowerBound(this.times, time);
  }
}

function readJson<T>(bytes: Uint8Array): T {
  return JSON.parse(new TextDecoder().decode(bytes)) as T;
}

function ranks(classes: Uint16Array, count: number): Uint32Array {
  const next = new Uint32Array(count);
  const result = new Uint32Array(classes.length);
  for (let event = 0; event < classes.length; event += 1) {
    const index = classes[event] ?? 0;
    const rank = next[index] ?? 0;
    result[event] = rank;
    next[index] = rank + 1;
  }
  return result;
}

/** Index of the first of ascending numbers that is not below a value. */
export function lowerBound(values: Float64Array | Uint32Array, value: number, from = 0): number {
  let [low, high] = [from, values.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((values[middle] ?? 0) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
