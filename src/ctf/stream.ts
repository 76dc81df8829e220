// Reads the events of one stream, packet after packet, in batches: columns of times, classes and places that a generated
// scan fills. Called by merge.ts and the bulk readers. A stream may be in several files (a session's snapshots, or LTTng's
// rotated chunks): their packets are put in order, and a packet that is in two of them is read once.
import { BATCH_EVENTS, type ScanFunction, type ScanState, SCAN_STOP, type StreamDecoder } from "./decoder.ts";
import { type Problem, problem } from "./errors.ts";
import type { Packet, PacketReader } from "./packet.ts";
import { type ClockState, joinClock, SLACK, splitClock } from "./runtime.ts";
import { conversion, toNanoseconds } from "./time.ts";
import type { StreamClass } from "./types.ts";

/** Bytes of a packet that are in memory at a time, as long as no event is larger. */
const WINDOW = 256 * 1024;

/** Bytes. A larger event is taken for damage. */
const MAX_WINDOW = 256 * 1024 * 1024;

/** Windows start at a multiple of this many bytes from the packet, so that fields are as aligned in them as in it. */
const WINDOW_ALIGN = 4096;

/** Events or packets of a stream that are not in the trace. */
export interface Loss {
  readonly kind: "events" | "packets";
  /** How many; none when the stream's first packet says that some were lost before or in it. */
  readonly count: bigint | undefined;
  /** Between which times, nanoseconds since the Unix epoch, if the packets have times. */
  readonly from: bigint | undefined;
  readonly to: bigint | undefined;
}

/** One stream: in our traces, what one thread wrote. */
export interface Stream {
  /** Number in its trace set, in the order in which events of the same time are put. */
  readonly index: number;
  /** Directory of the trace. */
  readonly path: string;
  readonly streamClass: StreamClass;
  /** The number that the packets give the stream, if they do. */
  readonly instance: bigint | undefined;
  /** The first packets of its files, in the order of their times. */
  readonly firstPackets: readonly Packet[];
  readonly packets: PacketReader;
}

/** A run of events of one packet, in the order of the packet. Valid until the next one of its reader is asked for. */
export interface EventBatch {
  readonly stream: Stream;
  readonly packet: Packet;
  readonly decoder: StreamDecoder;
  /** Events and packets lost before this batch; only the first batch of a packet has any. */
  readonly losses: readonly Loss[];
  /** Number of events; a batch may have losses only. */
  readonly length: number;
  /** Nanoseconds since the Unix epoch to which {@link times} are added. */
  readonly base: bigint;
  /** Of each event: nanoseconds after the base, an integer; NaN in streams without a clock. */
  readonly times: Float64Array;
  /** Of each event: index of its class in the stream class. */
  readonly classes: Uint32Array;
  /** Of each event: where its fields are, for generated code. */
  readonly starts: Uint32Array;
  /** What generated code reads. */
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly stored: readonly (number | bigint)[];
}

/** Which packets to read. */
export interface TimeRange {
  /** Nanoseconds since the Unix epoch: packets that end before, or begin after, are passed over. */
  readonly since?: bigint | undefined;
  readonly until?: bigint | undefined;
}

type MutableBatch = { -readonly [K in keyof EventBatch]: EventBatch[K] };

/** Reads a stream from its begin. */
export class StreamReader {
  readonly #stream: Stream;
  readonly #scanEvents: ScanFunction;
  readonly #range: TimeRange;
  readonly #onProblem: (problem: Problem) => void;
  readonly #base: bigint;
  readonly #queue: PacketQueue;
  /** The state's. */
  readonly #clock: ClockState = { high: 0, middle: 0, low: 0 };
  readonly #state: ScanState;
  /** Whether the base was set to the time of the next event, and no event was read since. */
  #isRebased = false;
  #previous: Packet | undefined;
  #batch: MutableBatch | undefined;
  #buffer: Uint8Array = new Uint8Array(0);
  #view = new DataView(this.#buffer.buffer);
  /** Bytes from the packet's start to the window, and in it. */
  #windowStart = 0;
  #windowSize = 0;

  /**
   * @param base nanoseconds since the Unix epoch, near the trace's times
   * @param onProblem called for what is wrong in the data and passed over
   * @param scan the decoder's, or one that does more
   */
  constructor(
    stream: Stream,
    base: bigint,
    range: TimeRange,
    onProblem: (problem: Problem) => void,
    scan: ScanFunction = stream.packets.decoder(stream.streamClass).scan,
  ) {
    this.#scanEvents = scan;
    this.#stream = stream;
    this.#base = base;
    this.#range = range;
    this.#onProblem = onProblem;
    this.#queue = new PacketQueue(stream, onProblem);
    this.#state = {
      position: 0,
      limit: 0,
      clock: this.#clock,
      timeMain: 0,
      timeRest: 0,
      stored: [],
      count: 0,
      stop: 0,
      unknownId: 0,
      stopClock: { high: 0, middle: 0, low: 0 },
      times: new Float64Array(BATCH_EVENTS),
      classes: new Uint32Array(BATCH_EVENTS),
      starts: new Uint32Array(BATCH_EVENTS),
    };
    this.#setBase(base);
  }

  /** The next batch, or nothing after the last one. */
  next(): EventBatch | undefined {
    for (;;) {
      const batch = this.#batch;
      if (batch === undefined) {
        const packet = this.#queue.next();
        if (packet === undefined) return undefined;
        const losses = this.#lossesBefore(packet);
        if (this.#isOutside(packet)) this.#pass(packet);
        else this.#enter(packet, losses);
        // Losses are told even where there is no event to tell them with.
        if (this.#batch !== undefined && losses.length > 0) return this.#batch;
        continue;
      }
      batch.losses = [];
      if (this.#scan(batch)) return batch;
    }
  }

  #enter(packet: Packet, losses: readonly Loss[]): void {
    const { decoder } = packet;
    const { stored } = packet;
    this.#stream.packets.enter(packet, this.#clock);
    this.#state.stored = stored;
    // The head need not end in the first window, nor on a place windows may start.
    const headBytes = Math.floor(packet.headBits / 8);
    this.#load(packet, headBytes - (headBytes % WINDOW_ALIGN));
    this.#state.position = (packet.headBits - this.#windowStart * 8) / decoder.unit;
    const { times, classes, starts } = this.#state;
    this.#batch = {
      stream: this.#stream,
      packet,
      decoder,
      losses,
      length: 0,
      base: this.#base,
      times,
      classes,
      starts,
      bytes: this.#buffer,
      view: this.#view,
      stored,
    };
    this.#setBase(this.#base);
  }

  /** Scans on; returns whether there is something in the batch. When not, the packet may have ended. */
  #scan(batch: MutableBatch): boolean {
    const state = this.#state;
    const { packet, decoder } = batch;
    const { unit } = decoder;
    const inWindow = Math.min(this.#windowSize * 8, packet.contentBits - this.#windowStart * 8);
    state.limit = Math.floor(inWindow / unit);
    this.#scanEvents(this.#buffer, this.#view, state);
    batch.length = state.count;
    batch.bytes = this.#buffer;
    batch.view = this.#view;
    if (state.count > 0) {
      this.#isRebased = false;
      return true;
    }

    const isLastWindow = this.#windowStart + this.#windowSize >= packet.contentBits / 8;
    if (state.stop === SCAN_STOP.farTime && !this.#isRebased) this.#rebase(batch);
    else if (!isLastWindow && (state.stop === SCAN_STOP.overrun || state.stop === SCAN_STOP.none))
      this.#advance(batch);
    else this.#leave(packet, this.#stopProblem(packet, unit));
    return false;
  }

  /** Loads the data after the last event read. */
  #advance({ packet, decoder }: EventBatch): void {
    const { unit } = decoder;
    const bits = this.#windowStart * 8 + this.#state.position * unit;
    const bytes = Math.floor(bits / 8);
    const start = bytes - (bytes % WINDOW_ALIGN);
    if (start === this.#windowStart) {
      // One event fills the window.
      if (this.#buffer.length - SLACK >= MAX_WINDOW) {
        this.#leave(
          packet,
          this.#problem("corrupt", packet, bits, `an event of more than ${MAX_WINDOW} bytes`),
        );
        return;
      }
      this.#load(packet, start, (this.#buffer.length - SLACK) * 2);
    } else {
      this.#load(packet, start);
    }
    this.#state.position = (bits - this.#windowStart * 8) / unit;
  }

  #load(packet: Packet, start: number, capacity: number = WINDOW): void {
    const content = Math.ceil(packet.contentBits / 8);
    const wanted = Math.min(content - start, Math.max(capacity, this.#buffer.length - SLACK));
    if (this.#buffer.length < wanted + SLACK) {
      this.#buffer = new Uint8Array(Math.max(wanted, Math.min(capacity, WINDOW)) + SLACK);
      this.#view = new DataView(this.#buffer.buffer);
    }
    this.#windowStart = start;
    this.#windowSize = packet.file.read(this.#buffer, packet.offset + start, wanted);
    this.#buffer.fill(0, this.#windowSize, this.#windowSize + SLACK);
  }

  /** Ends the packet, and tells what stopped it before its end, if anything did. */
  #leave(packet: Packet, stopped: Problem | undefined): void {
    if (stopped !== undefined) this.#onProblem(stopped);
    this.#isRebased = false;
    this.#batch = undefined;
    this.#pass(packet);
  }

  /** Moves the clock to the packet's end, which the next packet's truncated times count from. */
  #pass({ end }: Packet): void {
    if (end !== undefined) Object.assign(this.#clock, splitClock(end));
  }

  #stopProblem(packet: Packet, unit: number): Problem | undefined {
    const { stop, position, unknownId } = this.#state;
    const bits = this.#windowStart * 8 + position * unit;
    if (stop === SCAN_STOP.none || stop === SCAN_STOP.overrun) {
      if (packet.torn) {
        const missing = "the file ends in the middle of the packet; its events up to there are read";
        return this.#problem("torn", packet, packet.contentBits, missing);
      }
      if (stop === SCAN_STOP.none) return undefined;
      return this.#problem("corrupt", packet, bits, "an event goes beyond its packet's content");
    }
    if (stop === SCAN_STOP.unknownEvent) {
      return this.#problem("corrupt", packet, bits, `the metadata has no event with the id ${unknownId}`);
    }
    if (stop === SCAN_STOP.farTime)
      return this.#problem("corrupt", packet, bits, "a time beyond 64 bits of nanoseconds");
    if (stop === SCAN_STOP.badTag)
      return this.#problem("corrupt", packet, bits, "a variant's tag has no option");
    if (stop === SCAN_STOP.noSize) return this.#problem("corrupt", packet, bits, "an event without any data");
    return this.#problem("corrupt", packet, bits, "an event with too many elements without data");
  }

  #problem(kind: Problem["kind"], packet: Packet, bits: number, message: string): Problem {
    const offset = packet.offset + Math.floor(bits / 8);
    return problem(kind, message, { file: packet.file.path, offset, packet: packet.number });
  }

  #setBase(base: bigint): void {
    if (this.#batch !== undefined) this.#batch.base = base;
    const { clock } = this.#stream.streamClass;
    if (clock !== undefined) Object.assign(this.#state, conversion(clock, base));
  }

  /** Counts from the time of the event that was too far from the base. */
  #rebase(batch: MutableBatch): void {
    const { clock } = this.#stream.streamClass;
    if (clock !== undefined) this.#setBase(toNanoseconds(clock, joinClock(this.#state.stopClock)));
    this.#isRebased = true;
    batch.length = 0;
  }

  #isOutside({ begin, end }: Packet): boolean {
    const { clock } = this.#stream.streamClass;
    const { since, until } = this.#range;
    if (clock === undefined) return false;
    // A tracer that died can leave an end of zero: then it is not known.
    const hasEnd = end !== undefined && end >= (begin ?? 0n);
    if (since !== undefined && hasEnd && toNanoseconds(clock, end) < since) return true;
    return until !== undefined && begin !== undefined && toNanoseconds(clock, begin) > until;
  }

  #lossesBefore(packet: Packet): Loss[] {
    const before = this.#previous;
    this.#previous = packet;
    const losses: Loss[] = [];
    const { discarded, sequence } = packet;
    if (discarded !== undefined) {
      // A stream whose first packet is the tracer's first counts from zero; any other lost its begin with the count.
      const start = before?.discarded ?? (sequence === 0n ? 0n : undefined);
      const count = start === undefined ? undefined : BigInt.asUintN(packet.discardedSize, discarded - start);
      if (count === undefined ? discarded > 0n : count > 0n) {
        losses.push({
          kind: "events",
          count,
          from: this.#time(before?.end ?? packet.begin),
          to: this.#time(packet.end),
        });
      }
    }
    if (sequence !== undefined && before?.sequence !== undefined) {
      const count = BigInt.asUintN(packet.sequenceSize, sequence - before.sequence);
      if (count > 1n) {
        losses.push({
          kind: "packets",
          count: count - 1n,
          from: this.#time(before.end),
          to: this.#time(packet.begin),
        });
      }
    }
    return losses;
  }

  #time(value: bigint | undefined): bigint | undefined {
    const { clock } = this.#stream.streamClass;
    return clock === undefined || value === undefined ? undefined : toNanoseconds(clock, value);
  }
}

/** The packets of a stream in the order of their begins, over all its files. */
export class PacketQueue {
  readonly #stream: Stream;
  readonly #onProblem: (problem: Problem) => void;
  /** The next packet of each file that has more. */
  #heads: Packet[];
  #last: Packet | undefined;

  constructor(stream: Stream, onProblem: (problem: Problem) => void) {
    this.#stream = stream;
    this.#onProblem = onProblem;
    this.#heads = [...stream.firstPackets];
  }

  /** The next packet; a copy of one already given is passed over. */
  next(): Packet | undefined {
    for (;;) {
      const packet = this.#heads.reduce<Packet | undefined>(
        (first, head) => (first === undefined || (head.begin ?? 0n) < (first.begin ?? 0n) ? head : first),
        undefined,
      );
      if (packet === undefined) return undefined;
      this.#heads = this.#heads.flatMap((head) => (head === packet ? (this.#after(packet) ?? []) : head));
      const isCopy = this.#last !== undefined && isSamePacket(this.#last, packet);
      this.#last = packet;
      if (!isCopy) return packet;
    }
  }

  #after({ file, offset, size, number, decoder }: Packet): Packet | undefined {
    if (offset + size >= file.size) {
      file.close();
      return undefined;
    }
    const next = this.#stream.packets.read(file, offset + size, number + 1);
    if ("kind" in next) {
      this.#onProblem(next);
      return undefined;
    }
    if (next.decoder === decoder) return next;
    const place = { file: file.path, offset: next.offset, packet: next.number };
    this.#onProblem(
      problem("corrupt", `a packet of stream class ${next.decoder.streamClass.id} follows`, place),
    );
    return undefined;
  }
}

function isSamePacket(one: Packet, other: Packet): boolean {
  if (one.file === other.file || one.sequence === undefined) return false;
  return (
    one.sequence === other.sequence &&
    one.begin === other.begin &&
    one.end === other.end &&
    one.size === other.size
  );
}
