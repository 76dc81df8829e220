// Reads the events of one stream, packet after packet, in batches: columns of times, classes and places that a generated
// scan fills. Called by merge.ts and the bulk readers. A stream may be in several files (a session's snapshots, or LTTng's
// rotated chunks): their packets are put in order, and a packet that is in two of them is read once.
import type { Arena } from "./arena.ts";
import type { StreamDecoder } from "./decoder.ts";
import { type Problem, problem } from "./errors.ts";
import type { Packet, PacketReader } from "./packet.ts";
import { BATCH_EVENTS, SCAN_STOP, STATE, stateSize } from "./scan-state.ts";
import type { EventScan } from "./scan.ts";
import { conversion, toNanoseconds } from "./time.ts";
import type { StreamClass } from "./types.ts";
import { MAX_CAPACITY, Window, WINDOW_ALIGN } from "./window.ts";

/** Bytes of a packet that are worth a scan, when the rest of it has to be loaded later. */
const WORTH_A_SCAN = 64 * 1024;

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
  /** Events and packets lost before those of this batch's packet; a batch that has any has no events. */
  readonly losses: readonly Loss[];
  /** Number of events. */
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

type BatchArrays = Pick<EventBatch, "times" | "classes" | "starts" | "bytes" | "view">;
type MutableBatch = { -readonly [K in keyof EventBatch]: EventBatch[K] };

/** Reads a stream from its begin. */
export class StreamReader {
  readonly #stream: Stream;
  readonly #arena: Arena;
  readonly #scanner: EventScan;
  readonly #range: TimeRange;
  readonly #onProblem: (problem: Problem) => void;
  readonly #base: bigint;
  readonly #queue: PacketQueue;
  /** Address of the scan's state, and its size. */
  readonly #state: number;
  readonly #stateSize: number;
  /** The clock's value between packets. */
  #clock = 0n;
  /** Whether the base was set to the time of the next event, and no event was read since. */
  #isRebased = false;
  #previous: Packet | undefined;
  #batch: MutableBatch | undefined;
  readonly #window: Window;
  /** Bytes from the packet's start to what the window shows. */
  #windowStart = 0;
  /** What batches show of the arena. */
  #arrays: BatchArrays;
  readonly #refresh = (): void => {
    this.#arrays = this.#makeArrays();
    if (this.#batch !== undefined) Object.assign(this.#batch, this.#arrays);
  };

  /**
   * @param base nanoseconds since the Unix epoch, near the trace's times
   * @param onProblem called for what is wrong in the data and passed over
   */
  constructor(
    stream: Stream,
    base: bigint,
    range: TimeRange,
    onProblem: (problem: Problem) => void,
    arena: Arena,
    scanner: EventScan,
  ) {
    this.#scanner = scanner;
    this.#stream = stream;
    this.#arena = arena;
    this.#base = base;
    this.#range = range;
    this.#onProblem = onProblem;
    this.#window = new Window(arena);
    this.#queue = new PacketQueue(stream, onProblem, this.#window);
    this.#stateSize = stateSize(stream.packets.decoder(stream.streamClass));
    this.#state = arena.allocate(this.#stateSize);
    this.#arrays = this.#makeArrays();
    arena.onGrow(this.#refresh);
    this.#setBase(base);
  }

  /** Gives its memory back to the arena. The last batch is not valid any more. */
  release(): void {
    this.#arena.offGrow(this.#refresh);
    this.#arena.release(this.#state, this.#stateSize);
    this.#window.release();
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
    const { decoder, stored } = packet;
    this.#clock = this.#stream.packets.clockAfterHead(packet, this.#clock);
    const { view } = this.#arena;
    view.setBigUint64(this.#state + STATE.clock, this.#clock, true);
    for (let at = 0; at < stored.length; at += 2) {
      // A field is a bigint only where a number cannot hold it.
      const value = stored[at + 1] || BigInt(stored[at] ?? 0);
      view.setBigInt64(this.#state + STATE.stored + at * 4, BigInt.asIntN(64, BigInt(value)), true);
    }
    // The head need not end in the first window, nor on a place windows may start.
    const headBytes = Math.floor(packet.headBits / 8);
    this.#load(packet, headBytes - (headBytes % WINDOW_ALIGN), WORTH_A_SCAN);
    this.#setPosition((packet.headBits - this.#windowStart * 8) / decoder.unit);
    this.#batch = {
      stream: this.#stream,
      packet,
      decoder,
      losses,
      length: 0,
      base: this.#base,
      stored,
      ...this.#arrays,
    };
    this.#setBase(this.#base);
  }

  /** Scans on; returns whether there is something in the batch. When not, the packet may have ended. */
  #scan(batch: MutableBatch): boolean {
    const { packet, decoder } = batch;
    const { unit } = decoder;
    const inWindow = Math.min(this.#window.size * 8, packet.contentBits - this.#windowStart * 8);
    this.#arena.view.setUint32(this.#state + STATE.limit, Math.floor(inWindow / unit), true);
    this.#scanner.run(this.#state);
    batch.length = this.#get(STATE.count);
    if (batch.length > 0) {
      this.#isRebased = false;
      return true;
    }

    const stop = this.#get(STATE.stop);
    const isLastWindow = this.#windowStart + this.#window.size >= packet.contentBits / 8;
    if (stop === SCAN_STOP.farTime && !this.#isRebased) this.#rebase(batch);
    else if (!isLastWindow && (stop === SCAN_STOP.overrun || stop === SCAN_STOP.none)) this.#advance(batch);
    else this.#leave(packet, this.#stopProblem(packet, unit));
    return false;
  }

  /** Loads the data after the last event read. */
  #advance(batch: MutableBatch): void {
    const { packet, decoder } = batch;
    const { unit } = decoder;
    const bits = this.#windowStart * 8 + this.#get(STATE.position) * unit;
    const bytes = Math.floor(bits / 8);
    const start = bytes - (bytes % WINDOW_ALIGN);
    if (start === this.#windowStart) {
      // One event fills the window.
      if (this.#window.capacity >= MAX_CAPACITY) {
        this.#leave(
          packet,
          this.#problem("corrupt", packet, bits, `an event of more than ${MAX_CAPACITY} bytes`),
        );
        return;
      }
      this.#window.widen();
    }
    this.#load(packet, start, Infinity);
    Object.assign(batch, this.#arrays);
    this.#setPosition((bits - this.#windowStart * 8) / unit);
  }

  /** Shows a packet's content from a byte on; `enough` as in {@link Window.show}. */
  #load({ file, offset, contentBits, decoder }: Packet, start: number, enough: number): void {
    this.#windowStart = start;
    this.#window.show(file, offset + start, Math.ceil(contentBits / 8) - start, decoder.alignment, enough);
    this.#arena.view.setUint32(this.#state + STATE.base, this.#window.address, true);
    Object.assign(this.#arrays, this.#window.arrays());
  }

  #makeArrays(): BatchArrays {
    const { buffer } = this.#arena.bytes;
    return {
      times: new Float64Array(buffer, this.#state + STATE.times, BATCH_EVENTS),
      classes: new Uint32Array(buffer, this.#state + STATE.classes, BATCH_EVENTS),
      starts: new Uint32Array(buffer, this.#state + STATE.starts, BATCH_EVENTS),
      ...this.#window.arrays(),
    };
  }

  #get(place: number): number {
    return this.#arena.view.getUint32(this.#state + place, true);
  }

  #setPosition(units: number): void {
    this.#arena.view.setUint32(this.#state + STATE.position, units, true);
  }

  /** Ends the packet, and tells what stopped it before its end, if anything did. */
  #leave(packet: Packet, stopped: Problem | undefined): void {
    if (stopped !== undefined) this.#onProblem(stopped);
    this.#isRebased = false;
    this.#batch = undefined;
    this.#clock = this.#arena.view.getBigUint64(this.#state + STATE.clock, true);
    this.#pass(packet);
  }

  /** Moves the clock to the packet's end, which the next packet's truncated times count from. */
  #pass({ end }: Packet): void {
    if (end !== undefined) this.#clock = BigInt.asUintN(64, end);
  }

  #stopProblem(packet: Packet, unit: number): Problem | undefined {
    const stop = this.#get(STATE.stop);
    const bits = this.#windowStart * 8 + this.#get(STATE.position) * unit;
    if (stop === SCAN_STOP.none || stop === SCAN_STOP.overrun) {
      if (packet.torn) {
        const missing = "the file ends in the middle of the packet; its events up to there are read";
        return this.#problem("torn", packet, packet.contentBits, missing);
      }
      if (stop === SCAN_STOP.none) return undefined;
      return this.#problem("corrupt", packet, bits, "an event goes beyond its packet's content");
    }
    if (stop === SCAN_STOP.unknownEvent) {
      const id = this.#arena.view.getBigInt64(this.#state + STATE.unknownId, true);
      return this.#problem("corrupt", packet, bits, `the metadata has no event with the id ${id}`);
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
    if (clock === undefined) return;
    const { timeDifference, timeMain, timeRest } = conversion(clock, base);
    const { view } = this.#arena;
    view.setBigInt64(this.#state + STATE.timeDifference, timeDifference, true);
    view.setFloat64(this.#state + STATE.timeMain, timeMain, true);
    view.setFloat64(this.#state + STATE.timeRest, timeRest, true);
  }

  /** Counts from the time of the event that was too far from the base. */
  #rebase(batch: MutableBatch): void {
    const { clock } = this.#stream.streamClass;
    const value = this.#arena.view.getBigUint64(this.#state + STATE.stopClock, true);
    if (clock !== undefined) this.#setBase(toNanoseconds(clock, value));
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
  readonly #window: Window | undefined;
  /** The next packet of each file that has more. */
  #heads: Packet[];
  #last: Packet | undefined;

  /** @param window where heads may be loaded already */
  constructor(stream: Stream, onProblem: (problem: Problem) => void, window?: Window) {
    this.#window = window;
    this.#stream = stream;
    this.#onProblem = onProblem;
    this.#heads = [...stream.firstPackets];
  }

  /** The next packet; a copy of one already given is passed over. */
  next(): Packet | undefined {
    for (;;) {
      const before = this.#last;
      // Only now, when it may be in the window that the packet before was read with.
      this.#heads = this.#heads.flatMap((head) => (head === before ? (this.#after(head) ?? []) : head));
      const packet = this.#heads.reduce<Packet | undefined>(
        (first, head) => (first === undefined || (head.begin ?? 0n) < (first.begin ?? 0n) ? head : first),
        undefined,
      );
      if (packet === undefined) return undefined;
      this.#last = packet;
      if (before === undefined || !isSamePacket(before, packet)) return packet;
    }
  }

  #after({ file, offset, size, number, decoder }: Packet): Packet | undefined {
    if (offset + size >= file.size) {
      file.close();
      return undefined;
    }
    const next = this.#stream.packets.read(file, offset + size, number + 1, this.#window);
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
