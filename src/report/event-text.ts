// Events as lines of text, babeltrace2's: `[time] (+delta) host event: { context }, { fields }`. Called by the print
// command. What is the same for all events of a class or a packet is made once: names by the generated code, the packet's
// context and the second's digits as bytes.
import { isShown, scopesOf, type StreamDecoder } from "../ctf/decoder.ts";
import type { EventBatch, Stream } from "../ctf/stream.ts";
import type { TraceSet } from "../ctf/trace.ts";
import type { EventClass, StreamClass, TraceClass } from "../ctf/types.ts";
import type { Packet } from "../ctf/packet.ts";
import { Output, Prepared } from "./output.ts";
import type { Palette } from "./style.ts";
import { TEXT_AFTER, TEXT_BEFORE, type TextFunction, TextSink, writeLiteral } from "./text-sink.ts";
import { type TimeFormat, TimeText } from "./time-text.ts";

type ContextFunction = (b: Uint8Array, v: DataView, out: Output) => void;

/** Bytes of a line's begin: times, with their colours. */
const TIME_ROOM = 256;

/** Writes events to an output. */
export class EventText {
  readonly #out: Output;
  readonly #palette: Palette;
  readonly #time: TimeText;
  readonly #prefixes = new Map<StreamClass, string>();
  readonly #events = new Map<StreamDecoder, TextFunction[]>();
  readonly #contexts = new Map<StreamClass, ContextFunction>();
  readonly #packets = new WeakMap<Packet, Prepared>();
  /** The packet of the batch begun last, and the functions of its events. */
  #last: Packet | undefined;
  #write: readonly TextFunction[] = [];
  /** Text of the current packet's context, which stands before the events' fields. */
  readonly #packet = { text: Prepared.of("") };

  /** @param before of the same traces as they were: the times since the begin and since the last event go on */
  constructor(set: TraceSet, out: Output, format: TimeFormat, colours: Palette, before?: EventText) {
    this.#out = out;
    this.#palette = colours;
    const begin = set.base === 0n ? undefined : set.base;
    this.#time = before === undefined ? new TimeText(format, begin, colours) : before.#time;
    for (const { traceClass } of set.traces) {
      const prefix = environmentText(traceClass);
      for (const streamClass of traceClass.streamClasses) this.#prefixes.set(streamClass, prefix);
    }
  }

  /** Writes one event of a batch. */
  write(batch: EventBatch, at: number): void {
    const out = this.#out;
    out.room(TIME_ROOM);
    const time = batch.times[at] ?? NaN;
    if (!Number.isNaN(time)) this.#time.write(out, batch.base, time);
    const { bytes, view, starts, stored, classes } = batch;
    this.#write[classes[at] ?? 0]?.(bytes, view, starts[at] ?? 0, stored, out);
  }

  /** Must be called with each batch before its events are written. */
  begin(batch: EventBatch): void {
    if (batch.packet === this.#last) return;
    this.#last = batch.packet;
    this.#packet.text = this.#packetContext(batch);
    this.#write = this.#functions(batch.decoder);
  }

  #functions(decoder: StreamDecoder): TextFunction[] {
    let functions = this.#events.get(decoder);
    if (functions === undefined) {
      const made: TextFunction[] = decoder.streamClass.events.map((event) => (b, v, p, stored, out) => {
        const write = this.#generate(decoder, event);
        made[event.index] = write;
        write(b, v, p, stored, out);
      });
      functions = made;
      this.#events.set(decoder, functions);
    }
    return functions;
  }

  #generate(decoder: StreamDecoder, event: EventClass): TextFunction {
    const { eventName } = this.#palette;
    return decoder.generate<TextFunction>(event, "b, v, p, stored, out", (walk) => {
      const prefix = this.#prefixes.get(event.streamClass) ?? "";
      writeLiteral(walk, `${prefix}${eventName.open}${event.name}${eventName.close}: `);
      const hasPacketText = showsContext(event.streamClass);
      if (hasPacketText) {
        walk.line("out.at = q;");
        walk.line(`out.put(${walk.constant(this.#packet)}.text);`);
        walk.line("o = out.bytes; w = out.view; q = out.at; limit = out.limit;");
      }
      const sink = new TextSink(walk, this.#palette);
      let separator = hasPacketText ? ", " : "";
      for (const { type } of scopesOf(event)) {
        if (!isShown(type)) {
          walk.walk(type, undefined);
          continue;
        }
        sink.literal(separator);
        walk.walk(type, sink);
        separator = ", ";
      }
      sink.literal("\n");
      sink.finish();
      return { before: TEXT_BEFORE, after: TEXT_AFTER };
    });
  }

  #packetContext({ stream, packet }: EventBatch): Prepared {
    const before = this.#packets.get(packet);
    if (before !== undefined) return before;
    const write = this.#context(stream);
    const out = new Output(undefined);
    if (write !== undefined) stream.packets.onHead(packet, (b, v) => write(b, v, out));
    const text = new Prepared(out.bytes.subarray(0, out.at));
    this.#packets.set(packet, text);
    return text;
  }

  #context({ streamClass, packets }: Stream): ContextFunction | undefined {
    const before = this.#contexts.get(streamClass);
    if (before !== undefined || !showsContext(streamClass)) return before;
    const write = packets.generateContext<ContextFunction>(streamClass, "b, v, out", (walk, context) => {
      const sink = new TextSink(walk, this.#palette);
      walk.walk(context, sink);
      sink.finish();
      return { before: TEXT_BEFORE, after: TEXT_AFTER };
    });
    if (write !== undefined) this.#contexts.set(streamClass, write);
    return write;
  }
}

function showsContext({ packetContext }: StreamClass): boolean {
  return packetContext !== undefined && isShown(packetContext);
}

/** What babeltrace2 shows of a trace's environment before each event: `host:process:(pid) `. */
function environmentText({ environment }: TraceClass): string {
  const parts: string[] = [];
  for (const key of ["hostname", "procname", "vpid"]) {
    const value = environment.get(key);
    if (value !== undefined) parts.push(key === "vpid" ? `(${value})` : String(value));
  }
  return parts.length === 0 ? "" : `${parts.join(":")} `;
}
