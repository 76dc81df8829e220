// Which class an event is of: takes the id out of the event's header, and finds the class that it means. Part of the code
// that scan-code.ts generates.
import { childrenOf } from "./meanings.ts";
import type { EnumType, EventClass, FieldType, IntegerType, Member } from "./types.ts";
import { WasmSink } from "./wasm-walk.ts";
import { choose, type Code, type FunctionCode, get, i32, i64, type Local } from "./wasm.ts";

/** Takes the event's id out of its header; the last of the fields that say it counts. */
export class IdSink extends WasmSink {
  readonly #code: FunctionCode;
  readonly #id: Local;
  readonly #fields: ReadonlySet<FieldType>;

  constructor(code: FunctionCode, id: Local, fields: ReadonlySet<FieldType>) {
    super();
    this.#code = code;
    this.#id = id;
    this.#fields = fields;
  }

  override wants({ type }: Member): boolean {
    return this.#holdsId(type);
  }

  override integer(type: IntegerType | EnumType, value: Local): void {
    if (this.#fields.has(type)) this.#code.set(this.#id, get(value));
  }

  #holdsId(type: FieldType): boolean {
    return this.#fields.has(type) || childrenOf(type).some((child) => this.#holdsId(child));
  }
}

/** Code of the index of the class that an id means, -1 if there is none; without ids there may be one class. */
export function classIndex(id: Local, hasId: boolean, events: readonly EventClass[]): Code {
  if (!hasId) return i32.const(events.length === 1 ? 0 : -1);
  if (events.every((event) => event.id === BigInt(event.index))) {
    const isKnown = i64.ltU(get(id), i64.const(events.length));
    return choose("i32", isKnown, i32.wrap(get(id)), i32.const(-1));
  }
  const sorted = events.toSorted((one, other) => (one.id < other.id ? -1 : 1));
  const among = (from: number, to: number): Code => {
    const middle = (from + to) >> 1;
    const event = sorted[middle];
    if (event === undefined || from === to) return i32.const(-1);
    const isIt = i64.eq(get(id), i64.const(event.id));
    if (to - from === 1) return choose("i32", isIt, i32.const(event.index), i32.const(-1));
    const isBefore = i64.ltU(get(id), i64.const(event.id));
    return choose("i32", isBefore, among(from, middle), among(middle, to));
  };
  return among(0, sorted.length);
}
