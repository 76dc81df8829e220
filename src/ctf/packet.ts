// Reads the heads of packets (header and context), and so finds where each packet of a file is and what it says of
// itself. Called by stream.ts, one packet at a time, so that a file's length costs no memory.
import { JsWalk } from "./js-walk.ts";
import { StreamDecoder } from "./decoder.ts";
import { type Problem, problem, type TracePlace } from "./errors.ts";
import { ELEMENT_BUDGET, NotBytewise } from "./layout.ts";
import { childrenOf } from "./meanings.ts";
import { type Fields, type FieldValue, ObjectSink } from "./objects.ts";
import { References } from "./references.ts";
import { SLACK } from "./runtime.ts";
import type { SourceFile } from "./source.ts";
import type { Window } from "./window.ts";
import { type FieldType, integerOf, type StreamClass, type StructType, type TraceClass } from "./types.ts";

/** First word of every CTF packet (CTF 1.8.3 section 5.1). */
const MAGIC = 0xc1fc1fc1;

/** Bytes read to find a packet's head; more when that is not all of it. */
const HEAD_READ = 4096;

/** Bytes. A longer head is not a head. */
const MAX_HEAD = 1 << 20;

/** A packet: where it is, and what its head says. */
export interface Packet {
  readonly file: SourceFile;
  /** Number in its file, from 0. */
  readonly number: number;
  /** Bytes from the file's start. */
  readonly offset: number;
  /** Bits from the packet's start to its first event. */
  readonly headBits: number;
  /** Bits from the packet's start to the end of its events, as far as the file goes. */
  readonly contentBits: number;
  /** Bytes from the packet's start to the next packet, as far as the file goes. */
  readonly size: number;
  /** Whether the file ends before the packet does. */
  readonly torn: boolean;
  /** Values of its head that its events need: see {@link StreamDecoder.storedFields}. */
  readonly stored: readonly (number | bigint)[];
  /** The clock's value after its head, where that is known without the clock before. */
  readonly clock: bigint | undefined;
  readonly decoder: StreamDecoder;
  /** The stream's number among those of its class, if the packet says it. */
  readonly instance: bigint | undefined;
  /** Fields of the packet's context that are data, such as `cpu_id`; none when there are none. */
  readonly context: Fields | undefined;
  /** The clock's value at the packet's begin and end, if the packet says it. */
  readonly begin: bigint | undefined;
  readonly end: bigint | undefined;
  /** Number of the packet in its stream, if the packet says it. */
  readonly sequence: bigint | undefined;
  /** Events discarded in the stream up to the packet's end, a running count, if the packet says it. */
  readonly discarded: bigint | undefined;
  /** Bits of the two counts above, which wrap. */
  readonly sequenceSize: number;
  readonly discardedSize: number;
}

type HeadFunction = (
  b: Uint8Array,
  v: DataView,
  end: number,
  clock: bigint,
  stored: (number | bigint)[],
) =>
  | { readonly header: Fields; readonly context: Fields; readonly p: number; readonly clock: bigint }
  | undefined;

/** How to read a stream class's heads. */
interface HeadReader {
  readonly unit: 8 | 1;
  readonly read: HeadFunction;
}

/** A head that was read. */
interface Head {
  readonly header: Fields;
  readonly context: Fields;
  readonly bits: number;
  /** The clock's value after it. */
  readonly clock: bigint;
}

/** Reads the packets of one trace's files. */
export class PacketReader {
  readonly #trace: TraceClass;
  /** The bytes of the trace's UUID. */
  readonly #uuid: readonly number[] | undefined;
  readonly #decoders = new Map<StreamClass, StreamDecoder>();
  readonly #heads = new Map<StreamClass | undefined, HeadReader>();
  readonly #wholeClocks = new Map<StreamClass, boolean>();
  #buffer = new Uint8Array(HEAD_READ + SLACK);
  #view = new DataView(this.#buffer.buffer);

  constructor(trace: TraceClass) {
    this.#trace = trace;
    const hex = trace.uuid?.replaceAll("-", "");
    this.#uuid = hex?.match(/../g)?.map((byte) => Number.parseInt(byte, 16));
  }

  /** The decoder of a stream class's events. */
  decoder(stream: StreamClass): StreamDecoder {
    let decoder = this.#decoders.get(stream);
    if (decoder === undefined) {
      decoder = new StreamDecoder(stream, this.#trace.packetHeader);
      this.#decoders.set(stream, decoder);
    }
    return decoder;
  }

  /**
   * Reads the head of the packet at a file's offset.
   *
   * @param number the packet's number in the file
   * @param window where the head may be loaded already
   * @returns the packet, or what is there instead
   */
  read(file: SourceFile, offset: number, number: number, window?: Window): Packet | Problem {
    const place: TracePlace = { file: file.path, offset, packet: number };
    let stream: StreamClass | undefined =
      this.#trace.streamClasses.length === 1 ? this.#trace.streamClasses[0] : undefined;
    if (stream === undefined) {
      const common = this.#readHead(undefined, file, offset, 0n, [], window);
      if (common === undefined) return this.#noHead(file, offset, place);
      const wrong = this.#checkHeader(common.header, file, offset, place);
      if (wrong !== undefined) return wrong;
      const streamId = count(common.header["stream_id"]);
      stream = this.#trace.streamClasses.find(({ id }) => id === streamId);
      if (stream === undefined)
        return problem("corrupt", `the metadata has no stream ${streamId ?? "class"}`, place);
    }
    const stored: (number | bigint)[] = [];
    const head = this.#readHead(stream, file, offset, 0n, stored, window);
    if (head === undefined) return this.#noHead(file, offset, place);
    const wrong = this.#checkHeader(head.header, file, offset, place);
    if (wrong !== undefined) return wrong;
    const { stream_id: streamId } = head.header;
    if (streamId !== undefined && count(streamId) !== stream.id) {
      return problem("corrupt", `the metadata has no stream ${String(streamId)}`, place);
    }
    const setsClock = this.#setsClock(stream);
    return this.#packet(head, { stored, clock: setsClock ? head.clock : undefined }, stream, file, place);
  }

  /** The clock's value after the head of a packet, by its value before. */
  clockAfterHead(packet: Packet, clock: bigint): bigint {
    const { file, offset, decoder } = packet;
    return packet.clock ?? this.#readHead(decoder.streamClass, file, offset, clock, [])?.clock ?? clock;
  }

  /**
   * Compiles a function that makes something of the packet context of a stream class, in its data; see
   * StreamDecoder.generate. Run it with {@link onHead}.
   */
  generateContext<F extends (...parameters: never[]) => unknown>(
    stream: StreamClass,
    parameters: string,
    write: (walk: JsWalk, context: StructType) => { readonly before: string; readonly after: string },
  ): F | undefined {
    const { packetContext } = stream;
    if (packetContext === undefined) return undefined;
    const { packetHeader } = this.#trace;
    const references = new References([packetHeader, packetContext]);
    const walk = new JsWalk({ unit: this.#head(stream).unit, clock: false }, references);
    if (packetHeader !== undefined) walk.walk(packetHeader, undefined);
    const { before, after } = write(walk, packetContext);
    return walk.compile<F>(parameters, `let p = 0;\n${references.declarations([])}\n${before}`, after);
  }

  /** Runs a function on the data of a packet's head. */
  onHead(packet: Packet, use: (b: Uint8Array, v: DataView) => void): void {
    this.#fill(packet.file, packet.offset, Math.max(HEAD_READ, Math.ceil(packet.headBits / 8)));
    use(this.#buffer, this.#view);
  }

  /** Whether the head's clock values are whole, so that the clock after it does not depend on the clock before. */
  #setsClock(stream: StreamClass): boolean {
    let known = this.#wholeClocks.get(stream);
    if (known === undefined) {
      const sizes = [this.#trace.packetHeader, stream.packetContext].flatMap((scope) => clockSizes(scope));
      known = sizes.length > 0 && sizes.every((size) => size === 64);
      this.#wholeClocks.set(stream, known);
    }
    return known;
  }

  #packet(
    { header, context, bits: headBits }: Head,
    kept: Pick<Packet, "stored" | "clock">,
    stream: StreamClass,
    file: SourceFile,
    place: TracePlace,
  ): Packet | Problem {
    const offset = place.offset ?? 0;
    const available = (file.size - offset) * 8;
    const contentSize = count(context["content_size"]);
    const packetSize = count(context["packet_size"]) ?? contentSize;
    const size = packetSize ?? BigInt(available);
    const content = contentSize ?? size;
    const sizes = `content size ${content}, packet size ${size}, head ${headBits} bits`;
    if (content > size)
      return problem("corrupt", `the packet's content is larger than the packet: ${sizes}`, place);
    if (content < headBits || size % 8n !== 0n || size === 0n) {
      return problem("corrupt", `the packet's size cannot be: ${sizes}`, place);
    }
    const shown = Object.fromEntries(
      (stream.packetContext?.members ?? [])
        .filter(({ hidden }) => !hidden)
        .map(({ name }): [string, FieldValue] => [name, context[name] ?? 0]),
    );
    return {
      ...kept,
      file,
      number: place.packet ?? 0,
      offset,
      headBits,
      contentBits: Math.min(Number(content), available),
      size: Math.min(Number(size / 8n), file.size - offset),
      torn: size > available,
      decoder: this.decoder(stream),
      instance: count(header["stream_instance_id"]),
      context: Object.keys(shown).length > 0 ? shown : undefined,
      begin: count(context["timestamp_begin"]),
      end: count(context["timestamp_end"]),
      sequence: count(context["packet_seq_num"]),
      discarded: count(context["events_discarded"]),
      sequenceSize: sizeOf(stream.packetContext, "packet_seq_num"),
      discardedSize: sizeOf(stream.packetContext, "events_discarded"),
    };
  }

  #checkHeader(header: Fields, file: SourceFile, offset: number, place: TracePlace): Problem | undefined {
    const { magic, uuid } = header;
    if (magic !== undefined && magic !== MAGIC) return this.#noPacket(file, offset, place);
    if (!Array.isArray(uuid) || this.#uuid === undefined) return undefined;
    if (uuid.length === this.#uuid.length && this.#uuid.every((byte, at) => byte === uuid[at]))
      return undefined;
    const hex = uuid.map((byte) => Number(byte).toString(16).padStart(2, "0")).join("");
    return problem("corrupt", `a packet of another trace (UUID ${hex})`, place);
  }

  #noPacket(file: SourceFile, offset: number, place: TracePlace): Problem {
    const rest = file.size - offset;
    const zeros = this.#fill(file, offset, HEAD_READ).every((byte) => byte === 0);
    if (zeros) return problem("torn", `${rest} bytes that begin with zeros where a packet should`, place);
    if (place.packet === 0)
      return problem("corrupt", "not a stream of this trace: no packet begins there", place);
    return problem("torn", `${rest} bytes after the last packet are no packet`, place);
  }

  #noHead(file: SourceFile, offset: number, place: TracePlace): Problem {
    const rest = file.size - offset;
    if (rest < MAX_HEAD)
      return problem("torn", `the file ends after ${rest} bytes of a packet's head`, place);
    return problem("corrupt", "a packet's head that has no end", place);
  }

  #readHead(
    stream: StreamClass | undefined,
    file: SourceFile,
    offset: number,
    clock: bigint,
    stored: (number | bigint)[],
    window?: Window,
  ): Head | undefined {
    const { unit, read } = this.#head(stream);
    for (let wanted = HEAD_READ; wanted <= MAX_HEAD; wanted *= 4) {
      const data = this.#fill(file, offset, wanted, window);
      const head = read(this.#buffer, this.#view, Math.floor((data.length * 8) / unit), clock, stored);
      if (head !== undefined) {
        const { header, context, p } = head;
        return { header, context, bits: p * unit, clock: head.clock };
      }
      if (data.length < wanted) return undefined;
    }
    return undefined;
  }

  #fill(file: SourceFile, offset: number, wanted: number, window?: Window): Uint8Array {
    if (this.#buffer.length < wanted + SLACK) {
      this.#buffer = new Uint8Array(wanted + SLACK);
      this.#view = new DataView(this.#buffer.buffer);
    }
    const loaded = window?.peek(file, offset, wanted);
    if (loaded !== undefined) this.#buffer.set(loaded);
    const length = loaded?.length ?? file.read(this.#buffer, offset, wanted);
    this.#buffer.fill(0, length, length + SLACK);
    return this.#buffer.subarray(0, length);
  }

  #head(stream: StreamClass | undefined): HeadReader {
    let head = this.#heads.get(stream);
    if (head === undefined) {
      const context = stream?.packetContext;
      const stored = stream === undefined ? [] : this.decoder(stream).storedFields;
      head = generateHead(this.#trace.packetHeader, context, stored);
      this.#heads.set(stream, head);
    }
    return head;
  }
}

function generateHead(
  header: StructType | undefined,
  context: StructType | undefined,
  stored: readonly FieldType[],
): HeadReader {
  try {
    return { unit: 8, read: generateHeadRead(8, header, context, stored) };
  } catch (error) {
    if (error instanceof NotBytewise) return { unit: 1, read: generateHeadRead(1, header, context, stored) };
    throw error;
  }
}

function generateHeadRead(
  unit: 8 | 1,
  header: StructType | undefined,
  context: StructType | undefined,
  stored: readonly FieldType[],
): HeadFunction {
  // Fields that only events refer to need a variable too.
  const references = new References([header, context], stored);
  const fail = "return undefined;";
  const walk = new JsWalk({ unit, clock: true, overrun: fail, badTag: fail, endless: fail }, references);
  const values: string[] = [];
  for (const scope of [header, context]) {
    if (scope === undefined) {
      values.push("{}");
      continue;
    }
    const sink = new ObjectSink(walk, true);
    walk.walk(scope, sink);
    values.push(sink.result());
  }
  walk.flush();
  const before = `let p = 0, budget = ${ELEMENT_BUDGET};\n${references.declarations([])}`;
  const after = [
    "if (p > end) return undefined;",
    references.storing(stored),
    `return { header: ${values[0]}, context: ${values[1]}, p, clock };`,
  ];
  return walk.compile<HeadFunction>("b, v, end, clock, stored", before, after.join("\n"));
}

/** The value of a field that counts something; enumerations with labels do not count. */
function count(value: FieldValue | undefined): bigint | undefined {
  return typeof value === "number" || typeof value === "bigint" ? BigInt(value) : undefined;
}

/** Bits of the clock values in a scope. */
function clockSizes(type: FieldType | undefined): number[] {
  if (type === undefined) return [];
  const integer = integerOf(type);
  if (integer?.clock !== undefined) return [integer.size];
  // One that may be absent sets nothing for sure.
  const inside = childrenOf(type).flatMap(clockSizes);
  return type.kind === "struct" ? inside : inside.map(() => 0);
}

function sizeOf(struct: StructType | undefined, name: string): number {
  return integerOf(struct?.members.find((member) => member.name === name)?.type)?.size ?? 64;
}
