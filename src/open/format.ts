/**
 * The data inside the page of `buntrace open`, as bytes: columns of numbers and
 * texts after a JSON header that says where each is. Written by the command
 * (pack.ts), read in the browser (page/model.ts): nothing here may need either.
 *
 * Times are nanoseconds after {@link Header.base}, integers in doubles.
 */

/** A column in the bytes: where it starts, how long it is, and of how many values. */
export type ColumnRef = readonly [start: number, bytes: number, count: number];

/** What an event type is; see `EventKind` in ctf/metadata-writer.ts. */
export type ClassKind = "event" | "counter" | "begin" | "end";

/** A field of all shown events of a class, in their order. */
export interface FieldHeader {
  readonly name: string;
  /** How the values are kept: integers, doubles, or numbers of texts. */
  readonly form: "int" | "float" | "text";
  readonly values: ColumnRef;
  /** Integers beyond {@link MAX_INT}: their rows, and the numbers of their texts. */
  readonly large?: readonly [rows: ColumnRef, texts: ColumnRef];
}

/** An event type. */
export interface ClassHeader {
  readonly name: string;
  readonly kind: ClassKind;
  /** LTTng's log level, if given. */
  readonly level?: number;
  /** Events in the trace, shown or not. */
  readonly count: number;
  readonly fields: readonly FieldHeader[];
}

/** Events or packets that the trace has lost. Times are none where the trace has none. */
export interface LossHeader {
  readonly kind: "events" | "packets";
  readonly count: number | null;
  readonly from: number | null;
  readonly to: number | null;
}

/** Whose events they are: a thread, a processor, or a stream that does not say. */
export interface TrackHeader {
  /** Index in {@link Header.processes}. */
  readonly process: number;
  readonly name: string;
  readonly losses: readonly LossHeader[];
  /** Rows of spans; the last one may be crowded, see {@link Header.maxLanes}. */
  readonly lanes: number;
  /** Events a time bin that are not shown one by one; empty when all are. */
  readonly density: readonly number[];
}

/** What is known of all spans of a name, shown or not. */
export interface SpanNameHeader {
  readonly name: string;
  /** Ended ones; the sums are of these. */
  readonly count: number;
  readonly failed: number;
  /** Those that were running when the trace ended. */
  readonly running: number;
  /** Nanoseconds. */
  readonly total: number;
  readonly shortest: number;
  readonly longest: number;
  /** Of PERCENTILES of report/histogram.ts, nanoseconds. */
  readonly percentiles: readonly number[];
  /** Pairs: a bin of {@link binOf} and how many spans are in it. */
  readonly bins: readonly (readonly [bin: number, count: number])[];
}

/** A node of the flame graph: all spans of a name under the same names, over all threads. */
export interface FlameHeader {
  /** Index in {@link Header.spanNames}; none for the root. */
  readonly name: number | null;
  /** Index of the node above; parents come before their children. */
  readonly parent: number;
  readonly count: number;
  /** Nanoseconds. */
  readonly total: number;
}

/** A trace: one process, where it is buntrace's. */
export interface ProcessHeader {
  readonly name: string;
  readonly facts: readonly string[];
  /** Nanoseconds after the base; null where the trace has no times. */
  readonly begin: number | null;
}

/** All that is not a column. */
export interface Header {
  readonly title: string;
  readonly processes: readonly ProcessHeader[];
  /** Nanoseconds since the Unix epoch, in decimal. */
  readonly base: string;
  /** Whether wall clock times are shown in UTC. */
  readonly utc: boolean;
  /** Times of the first and of the last event. */
  readonly begin: number;
  readonly end: number;
  /** Which programs a signal has killed, as texts. */
  readonly killed: readonly string[];
  /** Events in the trace that passed the filter, and those shown one by one. */
  readonly events: number;
  readonly shown: number;
  /** What was left out or is uncertain, in sentences. */
  readonly notes: readonly string[];
  readonly maxLanes: number;
  readonly tracks: readonly TrackHeader[];
  readonly classes: readonly ClassHeader[];
  readonly spanNames: readonly SpanNameHeader[];
  readonly flame: readonly FlameHeader[];
  /** Of each event, in the order of their times. */
  readonly event: { readonly time: ColumnRef; readonly class: ColumnRef; readonly track: ColumnRef };
  /** Of each shown span, in the order of their begins. */
  readonly span: {
    /** Index of its begin event. */
    readonly begin: ColumnRef;
    /** Index of its end event; -1 without one. */
    readonly end: ColumnRef;
    /** Index of the span around it; -1 without one. */
    readonly parent: ColumnRef;
    readonly name: ColumnRef;
    readonly lane: ColumnRef;
    /** 0, or 1 when it failed. */
    readonly failed: ColumnRef;
  };
  /** Unfinished spans of threads that lost events after their begin, which may have ended then: span, time of the loss. */
  readonly uncertain: readonly (readonly [span: number, time: number])[];
  /** Texts of fields, a JSON array. */
  readonly texts: ColumnRef;
}

/** Integers up to here are kept as they are: the difference of two, with a bit for its sign, is exact in a double. */
export const MAX_INT = 2 ** 51;

/** Bins of durations in each doubling: a bin's bounds are 4.4 % apart. */
export const BINS_PER_OCTAVE = 16;

/** The bin of a duration. @param nanoseconds 0 and more; below one counts as one */
export function binOf(nanoseconds: number): number {
  return nanoseconds <= 1 ? 0 : Math.floor(Math.log2(nanoseconds) * BINS_PER_OCTAVE);
}

/** The shortest duration in a bin, nanoseconds. */
export function binStart(bin: number): number {
  return 2 ** (bin / BINS_PER_OCTAVE);
}

/**
 * Writes integers up to {@link MAX_INT} as differences, each in seven-bit groups with the sign in
 * the lowest bit: times in order, ids that count up and fields that repeat take a byte or two.
 */
export class IntWriter {
  count = 0;
  #bytes = new Uint8Array(256);
  #at = 0;
  #last = 0;

  push(value: number): void {
    const difference = value - this.#last;
    this.#last = value;
    this.count += 1;
    let rest = difference < 0 ? -2 * difference - 1 : 2 * difference;
    if (this.#at + 8 > this.#bytes.length) {
      const before = this.#bytes;
      this.#bytes = new Uint8Array(before.length * 2);
      this.#bytes.set(before);
    }
    const bytes = this.#bytes;
    while (rest >= 2 ** 31) {
      bytes[this.#at++] = (rest % 128) | 128;
      rest = Math.floor(rest / 128);
    }
    while (rest >= 128) {
      bytes[this.#at++] = (rest & 127) | 128;
      rest >>>= 7;
    }
    bytes[this.#at++] = rest;
  }

  /** What was written so far. */
  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.#at);
  }
}

/** Reads what {@link IntWriter} wrote into an array of the right length. */
export function readInts<T extends Float64Array | Uint32Array | Int32Array | Uint16Array | Uint8Array>(
  bytes: Uint8Array,
  [start]: ColumnRef,
  into: T,
): T {
  let at = start;
  let last = 0;
  for (let index = 0; index < into.length; index += 1) {
    let byte = bytes[at++] ?? 0;
    let value = byte & 127;
    // Nearly all values take one to four groups, which an integer holds.
    for (let shift = 7; byte > 127 && shift < 28; shift += 7) {
      byte = bytes[at++] ?? 0;
      value |= (byte & 127) << shift;
    }
    for (let scale = 2 ** 28; byte > 127; scale *= 128) {
      byte = bytes[at++] ?? 0;
      value += (byte & 127) * scale;
    }
    last += value % 2 === 0 ? value / 2 : -(value + 1) / 2;
    into[index] = last;
  }
  return into;
}

/** Bytes before the header: its length, a u32 in little endian. */
export const HEADER_AT = 4;

/** The element of the page that holds the data, base64 of gzip. */
export const DATA_ID = "trace";
