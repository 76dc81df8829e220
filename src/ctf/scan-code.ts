// Generates the scan's WebAssembly: a function that finds the events of a packet and, where it would become too large, one
// for each event class. Consumers such as columns.ts put in code of their own. Called by scan.ts.
import { type ScopeName, scopesOf, type StreamDecoder } from "./decoder.ts";
import { classIndex, IdSink } from "./event-id.ts";
import { ELEMENT_BUDGET, hasEmptyElements, minimumBits, roundUp, staticBits } from "./layout.ts";
import { childrenOf, eventIdFields } from "./meanings.ts";
import { References } from "./references.ts";
import { BATCH_EVENTS, SCAN_STOP, STATE } from "./scan-state.ts";
import { type EventClass, type FieldType, integerOf } from "./types.ts";
import { makeHelpers } from "./wasm-helpers.ts";
import { type WalkFrame, type WasmSink, WasmWalk } from "./wasm-walk.ts";
import {
  callTable,
  type Code,
  f64,
  FunctionCode,
  get,
  i32,
  i64,
  isEmptyPlace,
  type Label,
  type Local,
} from "./wasm.ts";

/** Makes something of events while they are scanned. */
export interface BodyConsumer {
  /** Whether it wants the events of a class; others are passed over. */
  wants(event: EventClass): boolean;
  /** Receives the fields of a class's events, scope by scope. */
  open(event: EventClass, frame: EventFrame): BodySinks;
  /** Makes the room that an array had too little of. Called before anything of a new batch was found. */
  makeRoom(): void;
}

/** See {@link BodyConsumer}. */
export interface BodySinks {
  sink(scope: ScopeName): WasmSink;
  /** Adds the code after them: the event was read to its end. */
  close(): void;
}

/** A walk's frame in a scan. */
export interface EventFrame extends WalkFrame {
  /** Number of the event in its batch. */
  readonly n: Local;
}

/** Returned by an event's function that put into the state what stopped it. */
const FAILED = -1;

/** Nanoseconds. Times are this far from a base at most: doubles are exact there, and there is room to add a second. */
const MAX_OFFSET_NS = 9_000_000_000_000_000;

/** Fields whose code stands in the scan itself. With more, each class gets a function, made when it is met. */
const MAX_INLINE_FIELDS = 160;

/** Units. A larger body is not passed over by adding its size, lest positions leave 32 bits. */
const MAX_BODY_SIZE = 1 << 20;

/** Generates one function: a stream class's scan, or an event class's part of it. */
export class ScanCode {
  readonly #decoder: StreamDecoder;
  readonly #consumer: BodyConsumer | undefined;
  readonly #code = new FunctionCode(["i32", "i32", "i32", "i32"], ["i32"]);
  readonly #state: Local;
  readonly #frame: EventFrame;
  readonly #clock = this.#code.local("i64");
  /** Set before any code that may fail. */
  #fail: (stop: number) => void = noExit;

  constructor(decoder: StreamDecoder, consumer: BodyConsumer | undefined) {
    this.#decoder = decoder;
    this.#consumer = consumer;
    this.#state = this.#code.parameter(0);
    this.#frame = {
      code: this.#code,
      unit: decoder.unit,
      p: this.#code.parameter(1),
      end: this.#code.parameter(2),
      n: this.#code.parameter(3),
      base: this.#code.local("i32"),
      clock: this.#clock,
      budget: this.#code.local("i64"),
      references: new Map(),
      helpers: makeHelpers(1).helpers,
      fail: (stop) => this.#fail(stop),
    };
  }

  /** The scan. */
  scan(): FunctionCode {
    const code = this.#code;
    const { p, end, n, base, unit } = this.#frame;
    const { streamClass } = this.#decoder;
    const { events, eventHeader } = streamClass;
    const isInline = events.reduce((sum, event) => sum + this.#fieldsToWalk(event), 0) <= MAX_INLINE_FIELDS;
    const bodies = isInline ? events.flatMap((event) => scopesOf(event).map(({ type }) => type)) : [];
    const frame = this.#frameWith(new References([eventHeader, ...bodies]));
    const begin = code.local("i32");
    const beginClock = code.local("i64");
    const stop = code.local("i32");
    const id = code.local("i64");
    const index = code.local("i32");

    code.set(base, this.#load(STATE.base));
    code.set(p, unit === 8 ? i32.add(get(base), this.#load(STATE.position)) : this.#load(STATE.position));
    code.set(end, unit === 8 ? i32.add(get(base), this.#load(STATE.limit)) : this.#load(STATE.limit));
    code.set(n, i32.const(0));
    code.set(this.#clock, i64.load(get(this.#state), STATE.clock));
    const scan = code.block();
    const next = code.loop();
    code.jumpIf(i32.eqz(i32.ltU(get(n), i32.const(BATCH_EVENTS))), scan);
    code.jumpIf(i32.eqz(i32.ltU(get(p), get(end))), scan);
    this.#fail = (reason) => {
      code.set(stop, i32.const(reason));
      code.jump(scan);
    };
    code.set(begin, get(p));
    code.set(beginClock, get(this.#clock));
    code.set(id, i64.const(-1));
    this.#resetReferences(frame);

    const walk = new WasmWalk(frame);
    const idFields = eventIdFields(streamClass);
    if (eventHeader !== undefined) walk.walk(eventHeader, new IdSink(code, id, idFields));
    walk.flush();
    // An id from behind the data's end would be any.
    this.#checkEnd();
    code.set(index, classIndex(id, idFields.size > 0, events));
    code.if(i32.eq(get(index), i32.const(-1)));
    code.add(i64.store(get(this.#state), get(id), STATE.unknownId));
    this.#fail(SCAN_STOP.unknownEvent);
    code.end();
    this.#time(this.#row(8));
    code.add(i32.store(this.#row(4), get(index), STATE.classes));
    const start = this.#decoder.headerInBody ? begin : p;
    code.add(i32.store(this.#row(4), unit === 8 ? i32.sub(get(start), get(base)) : get(start), STATE.starts));
    this.#bodies(frame, { index, begin, stop, scan }, isInline);
    this.#checkEnd();
    if (eventHeader === undefined || minimumBits(eventHeader) === 0) {
      code.if(i32.eq(get(p), get(begin)));
      this.#fail(SCAN_STOP.noSize);
      code.end();
    }
    code.set(n, i32.add(get(n), i32.const(1)));
    code.jump(next);
    code.end();
    code.end();

    // An event that was not read to its end counts as not begun.
    code.if(get(stop));
    code.add(i64.store(get(this.#state), get(this.#clock), STATE.stopClock));
    code.set(p, get(begin));
    code.set(this.#clock, get(beginClock));
    code.end();
    this.#store(STATE.position, unit === 8 ? i32.sub(get(p), get(base)) : get(p));
    this.#store(STATE.count, get(n));
    this.#store(STATE.stop, get(stop));
    code.add(i64.store(get(this.#state), get(this.#clock), STATE.clock));
    code.add(get(n));
    return code;
  }

  /** The part of the scan for the events of one class, as a function of its own. */
  body(event: EventClass): FunctionCode {
    const code = this.#code;
    const { eventHeader } = this.#decoder.streamClass;
    const movesClock = holdsClock(event);
    const scopes = scopesOf(event).map(({ type }) => type);
    const header = this.#decoder.headerInBody ? eventHeader : undefined;
    const frame = {
      ...this.#frameWith(new References([header, ...scopes])),
      clock: movesClock ? this.#clock : undefined,
    };
    this.#fail = (stop) => {
      this.#store(STATE.stop, i32.const(stop));
      code.return(i32.const(FAILED));
    };
    code.set(frame.base, this.#load(STATE.base));
    if (movesClock) code.set(this.#clock, i64.load(get(this.#state), STATE.clock));
    this.#resetReferences(frame);
    if (header !== undefined) {
      const walk = new WasmWalk({ ...frame, clock: undefined });
      walk.walk(header, undefined);
      walk.flush();
    }
    this.#walkBody(event, frame);
    if (movesClock) code.add(i64.store(get(this.#state), get(this.#clock), STATE.clock));
    code.add(get(frame.p));
    return code;
  }

  /** Goes to the class's code: in place, passing over its size, or a function of its own. */
  #bodies(
    frame: EventFrame,
    { index, begin, stop, scan }: { index: Local; begin: Local; stop: Local; scan: Label },
    isInline: boolean,
  ): void {
    const code = this.#code;
    const { events } = this.#decoder.streamClass;
    const { p, end, n } = this.#frame;
    // What to do for each class, and the classes of each thing to do.
    const actions = new Map<string, EventClass[]>();
    const keys = events.map((event) => {
      const size = this.#sizeToPass(event);
      const key = size !== undefined ? `pass ${size}` : isInline ? `walk ${event.index}` : "call";
      actions.set(key, [...(actions.get(key) ?? []), event]);
      return key;
    });
    const done = code.block();
    const labels = new Map<string, Label>();
    for (const key of [...actions.keys()].toReversed()) labels.set(key, code.block());
    code.jumpTable(get(index), keys.map((key) => labels.get(key) ?? done).concat(done));
    for (const [key, [event]] of actions) {
      code.end();
      const size = event === undefined ? undefined : this.#sizeToPass(event);
      if (size !== undefined) code.set(p, i32.add(get(p), i32.const(size)));
      else if (event !== undefined && key !== "call") this.#walkBody(event, frame);
      else {
        code.if(isEmptyPlace(get(index)));
        this.#store(STATE.newClass, get(index));
        this.#fail(SCAN_STOP.newClass);
        code.end();
        const movesClock = events.some(holdsClock);
        if (movesClock) code.add(i64.store(get(this.#state), get(this.#clock), STATE.clock));
        const from = this.#decoder.headerInBody ? begin : p;
        code.set(p, callTable(get(index), get(this.#state), get(from), get(end), get(n)));
        code.if(i32.eq(get(p), i32.const(FAILED)));
        code.set(stop, this.#load(STATE.stop));
        code.jump(scan);
        code.end();
        if (movesClock) code.set(this.#clock, i64.load(get(this.#state), STATE.clock));
      }
      code.jump(done);
    }
    code.end();
  }

  #walkBody(event: EventClass, frame: EventFrame): void {
    const sinks = this.#consumer?.wants(event) === true ? this.#consumer.open(event, frame) : undefined;
    const walk = new WasmWalk(frame);
    walk.restart();
    for (const { name, type } of scopesOf(event)) walk.walk(type, sinks?.sink(name));
    walk.flush();
    if (sinks === undefined) return;
    // What was read must be there before it counts.
    this.#checkEnd();
    sinks.close();
  }

  /** Sets the event's time, if the stream has a clock. */
  #time(row: Code): void {
    const code = this.#code;
    const { clock } = this.#decoder.streamClass;
    if (clock === undefined) {
      code.add(f64.store(row, f64.const(NaN), STATE.times));
      return;
    }
    const time = code.local("f64");
    const value = f64.fromU(get(this.#clock));
    const main = f64.load(get(this.#state), STATE.timeMain);
    const isSecond = clock.frequency === 1_000_000_000n;
    if (isSecond) code.set(time, f64.sub(value, main));
    else {
      const converted = f64.div(f64.mul(f64.const(1e9), value), f64.const(Number(clock.frequency)));
      const rest = f64.load(get(this.#state), STATE.timeRest);
      code.set(time, f64.sub(f64.sub(f64.floor(converted), main), rest));
    }
    code.if(i32.eqz(f64.le(f64.abs(get(time)), f64.const(MAX_OFFSET_NS))));
    this.#fail(SCAN_STOP.farTime);
    code.end();
    // So near, the difference of the integers is exact.
    const difference = i64.sub(get(this.#clock), i64.load(get(this.#state), STATE.timeDifference));
    code.add(f64.store(row, isSecond ? f64.fromS(difference) : get(time), STATE.times));
  }

  /** Units of a class's bodies; nothing when they differ or something in them must be read. */
  #sizeToPass(event: EventClass): number | undefined {
    if (this.#consumer?.wants(event) === true) return undefined;
    const { unit } = this.#decoder;
    const scopes = scopesOf(event).map(({ type }) => type);
    if (holdsClock(event) || scopes.some((type) => type.align > unit || hasEmptyElements(type)))
      return undefined;
    let total = 0;
    for (const type of scopes) {
      const size = staticBits(type);
      if (size === undefined) return undefined;
      total = roundUp(total, type.align) + size;
    }
    return total % unit === 0 && total / unit <= MAX_BODY_SIZE ? total / unit : undefined;
  }

  #fieldsToWalk(event: EventClass): number {
    return this.#sizeToPass(event) === undefined ? countFields(event) : 0;
  }

  #frameWith(references: References): EventFrame {
    return {
      ...this.#frame,
      references: new Map(references.types().map((type) => [type, this.#code.local("i64")])),
    };
  }

  /** What an event begins with. */
  #resetReferences({ references, budget }: EventFrame): void {
    const code = this.#code;
    code.set(budget, i64.const(ELEMENT_BUDGET));
    for (const [type, local] of references) {
      const stored = this.#decoder.storedFields.indexOf(type);
      code.set(local, stored < 0 ? i64.const(0) : i64.load(get(this.#state), STATE.stored + stored * 8));
    }
  }

  #checkEnd(): void {
    const { p, end } = this.#frame;
    this.#code.if(i32.gtU(get(p), get(end)));
    this.#fail(SCAN_STOP.overrun);
    this.#code.end();
  }

  /** The state's address and the event's place in an array of elements of so many bytes. */
  #row(bytes: number): Code {
    return i32.add(get(this.#state), i32.mul(get(this.#frame.n), i32.const(bytes)));
  }

  #load(place: number): Code {
    return i32.load(get(this.#state), place);
  }

  #store(place: number, value: Code): void {
    this.#code.add(i32.store(get(this.#state), value, place));
  }
}

function countFields(event: EventClass): number {
  const count = (type: FieldType): number => childrenOf(type).reduce((sum, child) => sum + count(child), 1);
  return scopesOf(event).reduce((sum, { type }) => sum + count(type), 0);
}

/** Whether an event's own fields move the clock. */
function holdsClock(event: EventClass): boolean {
  const holds = (type: FieldType): boolean =>
    integerOf(type)?.clock !== undefined || childrenOf(type).some((child) => holds(child));
  return scopesOf(event).some(({ type }) => holds(type));
}

function noExit(): never {
  throw new Error("code that may fail before it is said how");
}
