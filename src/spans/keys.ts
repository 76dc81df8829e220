// Reads from an event only what reports need: the span's id, its parent's, whether it failed, a counter's value, and the
// thread where events say it. Generated for each event class, since making all of an event's fields takes twenty times as long.
import { numberCode, type IntegerCode, JsSink, type JsWalk } from "../ctf/js-walk.ts";
import { scopesOf, type StreamDecoder } from "../ctf/decoder.ts";
import {
  type EnumType,
  type EventClass,
  type FloatType,
  integerOf,
  type IntegerType,
  type Member,
} from "../ctf/types.ts";

/** What reports need of an event; fields that an event does not have keep their values. */
export interface Key {
  id: number;
  parent: number;
  failed: number;
  thread: number;
  value: number;
}

/** Puts an event's key into `key`. */
export type KeyReader = (
  b: Uint8Array,
  v: DataView,
  p: number,
  stored: readonly (number | bigint)[],
  key: Key,
) => void;

/** Fields that hold a key's parts, by scope; of two for one part, the last counts. */
const PARTS: Readonly<Record<string, ReadonlyMap<string, keyof Key>>> = {
  streamContext: new Map([
    ["tid", "thread"],
    ["vtid", "thread"],
  ]),
  context: new Map([
    ["tid", "thread"],
    ["vtid", "thread"],
  ]),
  fields: new Map([
    ["span_id", "id"],
    ["parent_id", "parent"],
    ["failed", "failed"],
    ["value", "value"],
  ]),
};

/** Whether events of a class say their thread in a context. */
export function saysThread(event: EventClass): boolean {
  return scopesOf(event).some(
    ({ name, type }) => name !== "fields" && type.members.some((member) => partOf(name, member) === "thread"),
  );
}

/** The reader of a class's keys. */
export function keyReader(decoder: StreamDecoder, event: EventClass): KeyReader {
  return decoder.generate<KeyReader>(event, "b, v, p, stored, key", (walk) => {
    const scopes = scopesOf(event);
    const has = scopes.map(({ name, type }) =>
      type.members.findLastIndex((member) => partOf(name, member) !== undefined),
    );
    const last = has.findLastIndex((index) => index >= 0);
    for (const [index, { name, type }] of scopes.slice(0, last + 1).entries()) {
      // What comes after the last part need not be walked over.
      const members = index === last ? type.members.slice(0, (has[index] ?? 0) + 1) : type.members;
      walk.walk({ ...type, members }, new KeySink(walk, (member) => partOf(name, member)));
    }
    return { before: "", after: "" };
  });
}

function partOf(scope: string, { name, type }: Member): keyof Key | undefined {
  const isNumber = integerOf(type) !== undefined || type.kind === "float";
  return isNumber ? PARTS[scope]?.get(name) : undefined;
}

class KeySink extends JsSink {
  readonly #walk: JsWalk;
  readonly #part: (member: Member) => keyof Key | undefined;
  #current: keyof Key | undefined;

  constructor(walk: JsWalk, part: (member: Member) => keyof Key | undefined) {
    super();
    this.#walk = walk;
    this.#part = part;
  }

  override wants(member: Member): boolean {
    return this.#part(member) !== undefined;
  }

  override beginMember(member: Member): void {
    this.#current = this.#part(member);
  }

  override integer(_type: IntegerType | EnumType, value: IntegerCode): void {
    this.#walk.line(`key.${this.#current} = ${numberCode(value)};`);
  }

  override real(_type: FloatType, code: string): void {
    this.#walk.line(`key.${this.#current} = ${code};`);
  }
}
