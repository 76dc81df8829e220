// The generated decoders of one stream class: one function that scans the events of a packet (times, classes, places) and
// one a class for each thing to be made of its fields. Generated when first needed, by stream.ts and the consumers.
import {
  ELEMENT_BUDGET,
  type IntegerCode,
  minimumBits,
  NotBytewise,
  numberCode,
  type Sink,
  staticBits,
  Walk,
  type WalkOptions,
} from "./codegen.ts";
import { childrenOf, eventIdFields } from "./meanings.ts";
import { type Fields, ObjectSink } from "./objects.ts";
import { References } from "./references.ts";
import type { ClockState } from "./runtime.ts";
import {
  type EnumType,
  type EventClass,
  type FieldType,
  type FloatType,
  type IntegerType,
  integerOf,
  type Member,
  type StreamClass,
  type StructType,
} from "./types.ts";

/** Events that one scan finds at most; fewer when the data ends before. */
export const BATCH_EVENTS = 4096;

/** Nanoseconds. Times are this far from a base at most: doubles are exact there, and there is room to add a second. */
export const MAX_OFFSET_NS = 9_000_000_000_000_000;

/** Why a scan stopped before the limit of its data. */
export const SCAN_STOP = {
  /** It did not: the data, or the batch's room, is used up. */
  none: 0,
  /** An event goes on after the limit. */
  overrun: 1,
  /** An event's id is not in the metadata. */
  unknownEvent: 2,
  /** A variant's tag chooses nothing. */
  badTag: 3,
  /** An event has more elements without data than any tracer writes. */
  endless: 4,
  /** An event's time is too far from the base: it needs another. */
  farTime: 5,
  /** An event has no size, so there would be no end of them. */
  noSize: 6,
} as const;

/** Values of a packet that its events' fields need: two for each field, see references.ts. */
export type Stored = readonly (number | bigint)[];

/** What a scan reads and what it leaves. Positions count units of {@link StreamDecoder.unit} bits in the buffer. */
export interface ScanState {
  /** Where the first event starts; then, where the next one does. */
  position: number;
  /** Where the data ends. */
  limit: number;
  /** The clock's value. */
  readonly clock: ClockState;
  /** What makes nanoseconds after the base of the clock's value: see time.ts. */
  timeRest: number;
  timeMain: number;
  stored: Stored;
  /** Events found. */
  count: number;
  /** One of {@link SCAN_STOP}. */
  stop: number;
  /** The id that is not known. */
  unknownId: number;
  /** The clock's value in the event that stopped the scan. */
  readonly stopClock: ClockState;
  /** For each event: nanoseconds after the base, index of the class, position of the body. */
  readonly times: Float64Array;
  readonly classes: Uint32Array;
  readonly starts: Uint32Array;
}

/** Scans events: see {@link StreamDecoder}. */
export type ScanFunction = (b: Uint8Array, v: DataView, s: ScanState) => void;
type BodyFunction = (
  b: Uint8Array,
  v: DataView,
  p: number,
  end: number,
  stored: Stored,
  s: ScanState,
  n: number,
) => number;

/** Makes something of events while they are scanned. In its code, `n` is the event's number in the batch. */
export interface BodyConsumer {
  /** Whether it wants the events of a class; others are passed over. */
  wants(event: EventClass): boolean;
  /** Adds the code before the fields of an event; nothing is returned for classes that are not wanted. */
  open(event: EventClass, walk: Walk): BodySinks | undefined;
}

/** Receives the fields of an event, scope by scope. */
export interface BodySinks {
  sink(scope: ScopeName): Sink;
  /** Adds the code after them: the event was read to its end. Returns code to run before and after the scan. */
  close(): AroundScan;
}

/** Code around a scan, or around the function for one event. */
export interface AroundScan {
  readonly before: string;
  readonly after: string;
}

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
  /** Fields of the packet's header and context that events need, in the order of {@link Stored}. */
  readonly storedFields: readonly FieldType[];
  /** Scans a part of a packet's events. */
  readonly scan: ScanFunction;
  /** Whether an event's position is its header's, because a field of it is needed; it is the body's otherwise. */
  readonly #headerInBody: boolean;
  readonly #objects = new Map<EventClass, EventDecoder>();

  constructor(streamClass: StreamClass, packetHeader: StructType | undefined) {
    this.streamClass = streamClass;
    this.packetHeader = packetHeader;
    const references = new References([
      streamClass.eventHeader,
      streamClass.eventContext,
      ...streamClass.events.flatMap(({ context, fields }) => [context, fields]),
    ]);
    this.storedFields = [...references.within(packetHeader), ...references.within(streamClass.packetContext)];
    this.#headerInBody = this.#bodiesNeedHeader();
    this.unit = this.#isBytewise() ? 8 : 1;
    this.scan = this.#generateScan(undefined);
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
    write: (walk: Walk) => { readonly before: string; readonly after: string },
  ): F {
    const references = this.#bodyReferences(event);
    const walk = new Walk({ unit: this.unit, clock: false }, references);
    if (this.#headerInBody && this.streamClass.eventHeader !== undefined) {
      walk.walk(this.streamClass.eventHeader, undefined);
      walk.flush();
    }
    const { before, after } = write(walk);
    return walk.compile<F>(parameters, `${references.declarations(this.storedFields)}\n${before}`, after);
  }

  /**
   * Compiles a scan that makes something of events on its way. Slower than passing over them, faster than coming back.
   */
  scanWith(consumer: BodyConsumer): ScanFunction {
    return this.#generateScan(consumer);
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

  /** Walks over an event from its position, and leaves `p` at its end. */
  #walkBody(walk: Walk, event: EventClass, consumer: BodyConsumer | undefined): AroundScan | undefined {
    walk.restart();
    if (this.#headerInBody && this.streamClass.eventHeader !== undefined) {
      walk.walk(this.streamClass.eventHeader, undefined);
      walk.flush();
    }
    const sinks = consumer?.open(event, walk);
    for (const { name, type } of scopesOf(event)) walk.walk(type, sinks?.sink(name));
    walk.flush();
    return sinks?.close();
  }

  #options(fail: (stop: number) => string): WalkOptions {
    return {
      unit: this.unit,
      clock: true,
      overrun: fail(SCAN_STOP.overrun),
      badTag: fail(SCAN_STOP.badTag),
      endless: fail(SCAN_STOP.endless),
    };
  }

  #generateScan(consumer: BodyConsumer | undefined): ScanFunction {
    const { eventHeader, events, clock } = this.streamClass;
    const sizes = new Int32Array(
      events.map((event) => (consumer?.wants(event) === true ? -1 : this.#bodySize(event))),
    );
    const varying = events.filter(({ index }) => (sizes[index] ?? -1) < 0);
    const fieldCount = varying.reduce((sum, event) => sum + countFields(event), 0);
    const inline = fieldCount <= MAX_INLINE_FIELDS ? varying : [];
    const bodies = inline.flatMap((event) => scopesOf(event).map(({ type }) => type));
    const references = new References([eventHeader, ...bodies]);
    const fail = (stop: number): string => `stop = ${stop}; break scan;`;
    const walk = new Walk(this.#options(fail), references);
    const idFields = eventIdFields(this.streamClass);
    if (eventHeader !== undefined) walk.walk(eventHeader, new IdSink(walk, idFields));
    walk.flush();
    // An id from behind the data's end would be any.
    walk.line(`if (p > end) { ${fail(SCAN_STOP.overrun)} }`);
    walk.line(`const c = ${this.#classIndex(walk, idFields.size > 0)};`);
    walk.line(`if (c < 0) { s.unknownId = id; ${fail(SCAN_STOP.unknownEvent)} }`);
    if (clock === undefined) walk.line("times[n] = NaN;");
    else {
      walk.line(`const t = ${timeCode(Number(clock.frequency))};`);
      walk.line(
        `if (!(Math.abs(t) <= ${MAX_OFFSET_NS})) { ${saveClock("s.stopClock")} ${fail(SCAN_STOP.farTime)} }`,
      );
      walk.line("times[n] = t;");
    }
    walk.line(`classes[n] = c; starts[n] = ${this.#headerInBody ? "e" : "p"};`);
    walk.line(`const size = ${walk.constant(sizes)}[c];`);
    walk.line("if (size >= 0) p += size; else {");
    if (this.#headerInBody) walk.line("p = e;");
    const around: AroundScan[] = [];
    for (const event of inline) {
      walk.line(`if (c === ${event.index}) {`);
      around.push(this.#walkBody(walk, event, consumer) ?? NOTHING_AROUND);
      walk.line("} else");
    }
    if (inline.length < varying.length) this.#callBodies(walk, consumer);
    else walk.line("{}");
    walk.line("}");
    walk.line(`if (p > end) { ${fail(SCAN_STOP.overrun)} }`);
    if (minimumBits(eventHeader ?? NOTHING) === 0) walk.line(`if (p === e) { ${fail(SCAN_STOP.noSize)} }`);
    walk.line("n += 1;");
    const before = [
      "let p = s.position, e = p, n = 0, stop = 0, hi = 0, md = 0, lo = 0;",
      loadClock("s.clock"),
      "let hi0 = hi, md0 = md, lo0 = lo;",
      "const end = s.limit, stored = s.stored, times = s.times, classes = s.classes, starts = s.starts;",
      "const timeMain = s.timeMain, timeRest = s.timeRest;",
      ...around.map(({ before: code }) => code),
      `scan: while (n < ${BATCH_EVENTS} && p < end) {`,
      `e = p; hi0 = hi; md0 = md; lo0 = lo; let id = -1, budget = ${ELEMENT_BUDGET};`,
      references.declarations(this.storedFields),
    ];
    const after = [
      "}",
      ...around.map(({ after: code }) => code),
      // An event that was not read to its end counts as not begun.
      "if (stop !== 0) { p = e; hi = hi0; md = md0; lo = lo0; }",
      `s.position = p; s.count = n; s.stop = stop; ${saveClock("s.clock")}`,
    ];
    return walk.compile<ScanFunction>("b, v, s", before.join("\n"), after.join("\n"));
  }

  /** Code of an event's class by its id, -1 if there is none. */
  #classIndex(walk: Walk, hasId: boolean): string {
    const { events } = this.streamClass;
    if (!hasId) return events.length === 1 ? "0" : "-1";
    if (events.every(({ id, index }) => id === BigInt(index))) return `id < ${events.length} ? id : -1`;
    const largest = events.reduce((most, { id }) => (id > most ? id : most), 0n);
    if (largest < MAX_ID_TABLE) {
      const table = new Int32Array(Number(largest) + 1).fill(-1);
      for (const { id, index } of events) table[Number(id)] = index;
      return `id < ${table.length} ? ${walk.constant(table)}[id] : -1`;
    }
    const byId = new Map(events.map(({ id, index }) => [Number(id), index]));
    return `${walk.constant((id: number) => byId.get(id) ?? -1)}(id)`;
  }

  /** Calls a function for the event's class, made when the first event of the class is met. */
  #callBodies(walk: Walk, consumer: BodyConsumer | undefined): void {
    const { events } = this.streamClass;
    const functions: BodyFunction[] = events.map((event) => (b, v, p, end, stored, s, n) => {
      const body = this.#generateBody(event, consumer);
      functions[event.index] = body;
      return body(b, v, p, end, stored, s, n);
    });
    const clock = events.some(movesClock);
    if (clock) walk.line(saveClock("s.clock"));
    walk.line(`p = ${walk.constant(functions)}[c](b, v, p, end, stored, s, n);`);
    if (clock) walk.line(loadClock("s.clock"));
    walk.line("if (p < 0) { stop = -p; break scan; }");
  }

  #generateBody(event: EventClass, consumer: BodyConsumer | undefined): BodyFunction {
    const references = this.#bodyReferences(event);
    const walk = new Walk(
      this.#options((stop) => `return -${stop};`),
      references,
    );
    const around = this.#walkBody(walk, event, consumer) ?? NOTHING_AROUND;
    const clock = movesClock(event);
    const before = [
      references.declarations(this.storedFields),
      `let budget = ${ELEMENT_BUDGET}, hi = 0, md = 0, lo = 0;`,
      clock ? loadClock("s.clock") : "",
      around.before,
    ];
    const after = `${around.after} ${clock ? saveClock("s.clock") : ""} return p;`;
    return walk.compile("b, v, p, end, stored, s, n", before.join("\n"), after);
  }

  /** Units of a class's bodies, or -1 when they differ or something in them must be read. */
  #bodySize(event: EventClass): number {
    const scopes = scopesOf(event);
    const aligned = scopes.every(({ type }) => type.align <= this.unit);
    const sizes = scopes.map(({ type }) => staticBits(type));
    if (!aligned || movesClock(event) || scopes.some(({ type }) => hasEmptyElements(type))) return -1;
    let total = 0;
    for (const [index, size] of sizes.entries()) {
      if (size === undefined) return -1;
      const align = scopes[index]?.type.align ?? 1;
      total = Math.ceil(total / align) * align + size;
    }
    return total % this.unit === 0 && total / this.unit <= MAX_BODY_SIZE ? total / this.unit : -1;
  }
}

/** Larger ids are looked up in a map. */
const MAX_ID_TABLE = 65_536n;

/** Fields whose code stands in the scan itself. With more, each class gets a function: compilers give up on long ones. */
const MAX_INLINE_FIELDS = 160;

/** Units. A larger body is not passed over by adding its size, lest positions leave 32 bits. */
const MAX_BODY_SIZE = 0x2000_0000;

const EMPTY_SCOPES = "streamContext: undefined, context: undefined, fields: undefined";

const NOTHING_AROUND: AroundScan = { before: "", after: "" };

const NOTHING: StructType = { kind: "struct", align: 1, members: [] };

/** @throws NotBytewise when a walk that visits everything cannot count bytes */
function tryBytes(scope: StructType): void {
  if (isMadeOfBytes(scope)) return;
  const walk = new Walk({ unit: 8, clock: false }, new References([scope]));
  walk.walk(scope, new EverySink());
  walk.flush();
}

/** Whether a type cannot but start and end on bytes, if it starts on one. */
function isMadeOfBytes(type: FieldType): boolean {
  const integer = integerOf(type);
  if (integer !== undefined) return integer.size % 8 === 0 && integer.align % 8 === 0;
  if (type.kind === "float") return type.align % 8 === 0;
  return childrenOf(type).every(isMadeOfBytes);
}

/** Whether there are arrays of elements without data, which must be counted. */
function hasEmptyElements(type: FieldType): boolean {
  if (type.kind === "array" && type.length > 0 && minimumBits(type.element) === 0) return true;
  return childrenOf(type).some(hasEmptyElements);
}

function countFields(event: EventClass): number {
  const count = (type: FieldType): number => childrenOf(type).reduce((sum, child) => sum + count(child), 1);
  return scopesOf(event).reduce((sum, { type }) => sum + count(type), 0);
}

function movesClock(event: EventClass): boolean {
  return scopesOf(event).some(({ type }) => holdsClock(type));
}

function holdsClock(type: FieldType): boolean {
  return integerOf(type)?.clock !== undefined || childrenOf(type).some(holdsClock);
}

/** Code that takes the clock's value out of a {@link ClockState}. */
export function loadClock(state: string): string {
  return `hi = ${state}.high; md = ${state}.middle; lo = ${state}.low;`;
}

/** Code that puts it there. */
export function saveClock(state: string): string {
  return `${state}.high = hi; ${state}.middle = md; ${state}.low = lo;`;
}

/** Code of the nanoseconds after the base of the clock's value: see time.ts. */
function timeCode(frequency: number): string {
  const low = "rt.QUARTERS[md] + lo";
  if (frequency === 1e9) return `(hi - timeMain) * 4294967296 + (${low} - timeRest)`;
  return `Math.floor(1e9 * (hi * 4294967296 + (${low})) / ${frequency}) - timeMain - timeRest`;
}

/** Visits everything, and does nothing. */
export class EverySink implements Sink {
  wants(_member: Member): boolean {
    return true;
  }

  integer(_type: IntegerType | EnumType, _value: IntegerCode): void {}
  real(_type: FloatType, _code: string): void {}
  text(): void {}
  beginStruct(): void {}
  beginMember(_member: Member): void {}
  endMember(): void {}
  endStruct(): void {}
  beginArray(): void {}
  beginElement(): void {}
  endElement(): void {}
  endArray(): void {}
  beginVariant(): void {}
  beginOption(): void {}
  endOption(): void {}
  endVariant(): void {}
}

/** Takes the event's id out of its header; the last of the fields that say it counts. */
class IdSink extends EverySink {
  readonly #walk: Walk;
  readonly #fields: ReadonlySet<FieldType>;

  constructor(walk: Walk, fields: ReadonlySet<FieldType>) {
    super();
    this.#walk = walk;
    this.#fields = fields;
  }

  override wants({ type }: Member): boolean {
    return this.#holdsId(type);
  }

  #holdsId(type: FieldType): boolean {
    return this.#fields.has(type) || childrenOf(type).some((child) => this.#holdsId(child));
  }

  override integer(type: IntegerType | EnumType, value: IntegerCode): void {
    if (this.#fields.has(type)) this.#walk.line(`id = ${numberCode(value)};`);
  }
}
