// Event records with some of their fields only: where one field of millions of events is wanted, the others take most of the
// time. Called by cursor.ts.
import { type EventDecoder, scopesOf, type StreamDecoder } from "../ctf/decoder.ts";
import { type EventRecord, eventClassAt, eventRecord } from "../ctf/events.ts";
import { ObjectSink } from "../ctf/objects.ts";
import type { EventBatch } from "../ctf/stream.ts";
import type { EventClass, Member } from "../ctf/types.ts";

/** Makes records with the fields of some names; of a name with dots, with the structure that is its first word. */
export class PartialRecords {
  readonly #names: ReadonlySet<string>;
  readonly #decoders = new Map<EventClass, EventDecoder>();

  constructor(names: Iterable<string>) {
    this.#names = new Set([...names].flatMap((name) => [name, name.split(".")[0] ?? name]));
  }

  /** The record of one event of a batch. */
  record(batch: EventBatch, at: number): EventRecord {
    const event = eventClassAt(batch, at);
    let decoder = this.#decoders.get(event);
    if (decoder === undefined) {
      decoder = partialDecoder(batch.decoder, event, this.#names);
      this.#decoders.set(event, decoder);
    }
    return eventRecord(batch, at, decoder);
  }
}

function partialDecoder(decoder: StreamDecoder, event: EventClass, names: ReadonlySet<string>): EventDecoder {
  return decoder.generate<EventDecoder>(event, "b, v, p, stored", (walk) => {
    const scopes = scopesOf(event);
    const has = scopes.map(({ type }) => type.members.findLastIndex(({ name }) => names.has(name)));
    const last = has.findLastIndex((index) => index >= 0);
    const results = scopes.slice(0, last + 1).map(({ name, type }, index) => {
      // What comes after the last field wanted need not be walked over.
      const members = index === last ? type.members.slice(0, (has[index] ?? 0) + 1) : type.members;
      const sink = new PartialSink(walk, names);
      walk.walk({ ...type, members }, sink);
      return `${name}: ${sink.result()}`;
    });
    return { before: "", after: `return { ${results.join(", ")} };` };
  });
}

/** Makes the members of some names, and all that is in them. */
class PartialSink extends ObjectSink {
  readonly #names: ReadonlySet<string>;
  #depth = 0;

  constructor(walk: ConstructorParameters<typeof ObjectSink>[0], names: ReadonlySet<string>) {
    super(walk, false);
    this.#names = names;
  }

  override wants(member: Member): boolean {
    return super.wants(member) && (this.#depth > 1 || this.#names.has(member.name));
  }

  override beginStruct(type: Parameters<ObjectSink["beginStruct"]>[0]): void {
    this.#depth += 1;
    super.beginStruct(type);
  }

  override endStruct(type: Parameters<ObjectSink["endStruct"]>[0]): void {
    this.#depth -= 1;
    super.endStruct(type);
  }
}
