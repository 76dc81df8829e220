// Event records: one object an event, which its reader may keep. Made from batches; called by trace.ts and the commands.
import type { EventDecoder, EventScopes } from "./decoder.ts";
import type { Fields } from "./objects.ts";
import type { EventBatch, Stream } from "./stream.ts";
import type { EventClass } from "./types.ts";

/** One event of a trace. */
export interface EventRecord extends EventScopes {
  /** As in the metadata; ours are `provider:event`. */
  readonly name: string;
  /** Nanoseconds since the Unix epoch, if the stream has a clock. */
  readonly time: bigint | undefined;
  readonly event: EventClass;
  readonly stream: Stream;
  /** The fields of the event's packet that are data: in our traces, `tid` and `thread_name`. */
  readonly packetContext: Fields | undefined;
}

/**
 * The record of one event of a batch.
 * @param decoder of the event's class, where not all of its fields are wanted.
 */
export function eventRecord(batch: EventBatch, at: number, decoder?: EventDecoder): EventRecord {
  const event = eventClassAt(batch, at);
  const decode = decoder ?? batch.decoder.objects(event);
  const scopes = decode(batch.bytes, batch.view, batch.starts[at] ?? 0, batch.stored);
  return {
    name: event.name,
    time: eventTime(batch, at),
    event,
    stream: batch.stream,
    packetContext: batch.packet.context,
    streamContext: scopes.streamContext,
    context: scopes.context,
    fields: scopes.fields,
  };
}

/** Nanoseconds since the Unix epoch of one event of a batch. */
export function eventTime(batch: EventBatch, at: number): bigint | undefined {
  const time = batch.times[at] ?? NaN;
  return Number.isNaN(time) ? undefined : batch.base + BigInt(time);
}

/** The class of one event of a batch. */
export function eventClassAt(batch: EventBatch, at: number): EventClass {
  const event = batch.decoder.streamClass.events[batch.classes[at] ?? 0];
  if (event === undefined) throw new RangeError(`no event ${at} in a batch of ${batch.length}`);
  return event;
}
