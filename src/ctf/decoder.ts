// The generated decoders of one stream class: one a class of events for each thing to be made of its fields. Generated when
// first needed, by stream.ts and the consumers.
import { JsSink, JsWalk } from "./js-walk.ts";
import { NotBytewise } from "./layout.ts";
import { childrenOf } from "./meanings.ts";
import { type Fields, ObjectSink } from "./objects.ts";
import { References } from "./references.ts";
import {
  alignmentOf,
  type EventClass,
  type FieldType,
  integerOf,
  type StreamClass,
  type StructType,
} from "./types.ts";

/** Values of a packet that its events' fields need: two for each field, see references.ts. */
export type Stored = readonly (number | bigint)[];

/** Makes an object of each scope that an event has. */
export type EventDecoder = (b: Uint8Array, v: DataView, p: number, stored: Stored) => EventScopes;

/** The fields of one event. */
export interface EventScopes {
  /** What the tracer adds to every event of the stream. */
  readonly streamContext: Fields | undefined;
  /** What the tracer adds to this kind of event. */
  readonly context: Fields | undefined;
  readonly fields: Fields | undefined;
}

/** The name of a scope of events, as in {@link EventScopes}. */
export type ScopeName = keyof EventScopes;

/** The scopes that events of a class have, in the order of their data. */
export function scopesOf(event: EventClass): { readonly name: ScopeName; readonly type: StructType }[] {
  const scopes: {
    readonly name: ScopeName;
    readonly type: StructType | undefined;
  }[] = [
    { name: "streamContext", type: event.streamClass.eventContext },
    { name: "context", type: event.context },
    { name: "fields", type: event.fields },
  ];
  return scopes.flatMap(({ name, type }) => (type === undefined ? [] : [{ name, type }]));
}

/** Whether a scope is shown: it is not when all that it has serves the format. */
export function isShown(type: StructType): boolean {
  return type.members.length === 0 || type.members.some(({ hidden }) => !hidden);
}

/** Decodes the events of one stream class. */
export class StreamDecoder {
  readonly streamClass: StreamClass;
  readonly packetHeader: StructType | undefined;
  /** Bits a position counts: 8, or 1 where events do not start and end on bytes. */
  readonly unit: 8 | 1;
  /** Bytes to which the data of its packets must be aligned in memory. */
  readonly alignment: number;
  /** Fields of the packet's header and context that events need, in the order of {@link Stored}. */
  readonly storedFields: readonly FieldType[];
  /** Whether an event's position is its header's, because a field of it is needed; it is the body's otherwise. */
  readonly headerInBody: boolean;
  readonly #objects = new Map<EventClass, EventDecoder>();

  constructor(streamClass: StreamClass, packetHeader: StructType | undefined) {
    this.streamClass = streamClass;
    this.packetHeader = packetHeader;
    const scopes = [
      streamClass.eventHeader,
      streamClass.eventContext,
      ...streamClass.events.flatMap(({ context, fields }) => [context, fields]),
    ];
    const references = new References(scopes);
    this.alignment = scopes.reduce((most, type) => Math.max(most, largestAlignment(type)), 8) / 8;
    this.storedFields = [...references.within(packetHeader), ...references.within(streamClass.packetContext)];
    this.headerInBody = this.#bodiesNeedHeader();
    this.unit = this.#isBytewise() ? 8 : 1;
  }

  /** The decoder of a class's events to objects. */
  objects(event: EventClass): EventDecoder {
    const before = this.#objects.get(event);
    if (before !== undefined) return before;
    const decoder = this.generate<EventDecoder>(event, "b, v, p, stored", (walk) => {
      const results = scopesOf(event).map(({ name, type }) => {
        const sink = new ObjectSink(walk, false);
        walk.walk(type, sink);
        return `${name}: ${isShown(type) ? sink.result() : "undefined"}`;
      });
      return {
        before: "",
        after: `return { ${[EMPTY_SCOPES, ...results].join(", ")} };`,
      };
    });
    this.#objects.set(event, decoder);
    return decoder;
  }

  /**
   * Compiles a function that makes something of one event. `write` walks over the event's scopes, all and in order, and
   * returns code to put around the walk; `p` is the event's position, and `stored` must be a parameter.
   */
  generate<F extends (...parameters: never[]) => unknown>(
    event: EventClass,
    parameters: string,
    write: (walk: JsWalk) => { readonly before: string; readonly after: string },
  ): F {
    const header = this.headerInBody ? this.streamClass.eventHeader : undefined;
    const references = new References([header, ...scopesOf(event).map(({ type }) => type)]);
    const walk = new JsWalk({ unit: this.unit, clock: false }, references);
    if (header !== undefined) {
      walk.walk(header, undefined);
      walk.flush();
    }
    const { before, after } = write(walk);
    return walk.compile<F>(parameters, `${references.declarations(this.storedFields)}\n${before}`, after);
  }

  #bodyReferences(event: EventClass): References {
    return new References(scopesOf(event).map(({ type }) => type));
  }

  #bodiesNeedHeader(): boolean {
    const header = this.streamClass.eventHeader;
    return this.streamClass.events.some((event) => this.#bodyReferences(event).within(header).length > 0);
  }

  /** Whether every event starts and ends on a byte, and every part whose place depends on the data. */
  #isBytewise(): boolean {
    const { eventHeader, events } = this.streamClass;
    try {
      if (eventHeader !== undefined) tryBytes(eventHeader);
      for (const event of events) {
        const scopes = scopesOf(event).map(({ type }) => type);
        // Members keep their alignment in a structure around them, and their order.
        const members = scopes.map((type) => ({ name: "", rawName: "", type, hidden: false }));
        const align = scopes.reduce((most, type) => Math.max(most, type.align), 1);
        tryBytes({ kind: "struct", align, members });
      }
      return true;
    } catch (error) {
      if (error instanceof NotBytewise) return false;
      throw error;
    }
  }
}

const EMPTY_SCOPES = "streamContext: undefined, context: undefined, fields: undefined";

/** Bits of the largest alignment under a type; a variant has none of its own. */
function largestAlignment(type: FieldType | undefined): number {
  if (type === undefined) return 1;
  return childrenOf(type)
    .map(largestAlignment)
    .reduce((most, one) => Math.max(most, one), alignmentOf(type));
}

/** @throws NotBytewise when a walk that visits everything cannot count bytes */
function tryBytes(scope: StructType): void {
  if (isMadeOfBytes(scope)) return;
  const walk = new JsWalk({ unit: 8, clock: false }, new References([scope]));
  walk.walk(scope, new JsSink());
  walk.flush();
}

/** Whether a type cannot but start and end on bytes, if it starts on one. */
function isMadeOfBytes(type: FieldType): boolean {
  const integer = integerOf(type);
  if (integer !== undefined) return integer.size % 8 === 0 && integer.align % 8 === 0;
  if (type.kind === "float") return type.align % 8 === 0;
  return childrenOf(type).every(isMadeOfBytes);
}
