/**
 * Providers and tracepoints: the typed face of generated writers. Called by
 * programs, usually once at module level, in any JavaScript thread.
 */
import {
  type ArrayType,
  checkFields,
  type EnumLabels,
  type EnumType,
  type Field,
  type FieldType,
  isWord,
} from "../ctf/fields.ts";
import { eventBlock } from "../ctf/metadata-writer.ts";
import { type Counter, defineCounter } from "./counter.ts";
import { isLevel, type Level, LEVELS } from "./levels.ts";
import { defineSpan, type Span, spanEndFields, spanFields } from "./span.ts";
import { defineEvent } from "./thread.ts";

/** Longest text of an event type in the metadata; declare.c puts it together in 64 KiB. */
const MAX_DECLARATION_BYTES = 65_000;

/** The TypeScript value of a field type. */
export type ValueOf<T extends FieldType> = T extends "u64" | "i64"
  ? bigint
  : T extends "bool"
    ? boolean
    : T extends "string"
      ? string
      : T extends "bytes"
        ? Uint8Array | ArrayBuffer
        : T extends "u64[]" | "i64[]"
          ? ArrayLike<bigint>
          : T extends ArrayType
            ? ArrayLike<number>
            : T extends EnumType<infer L>
              ? LabelOf<L>
              : number;

type LabelOf<L extends EnumLabels> = L extends readonly (infer S)[] ? S : keyof L & string;

/** The values of fields, in order: a tracepoint's arguments. */
export type ValuesOf<F extends readonly Field[]> = {
  [I in keyof F]: F[I] extends readonly [string, infer T extends FieldType] ? ValueOf<T> : never;
};

/** The values of fields by name: what `record` takes. */
export type NamedValuesOf<F extends readonly Field[]> = {
  [P in F[number] as P[0]]: ValueOf<P[1]>;
};

/** Emits one kind of event. Never throws: what does not fit is converted, wrapped, cut and counted. */
export interface Tracepoint<F extends readonly Field[]> {
  (...values: ValuesOf<F>): void;
  /** `provider:tracepoint`. */
  readonly name: string;
  /** Whether an event emitted now would be recorded: guards costly arguments. */
  readonly enabled: boolean;
  /** The named form, for cold code. */
  record(values: NamedValuesOf<F>): void;
}

/** Options of whatever a provider defines. */
export interface DefinitionOptions {
  /** How grave or talkative the event is; default "info". */
  readonly level?: Level;
}

/** Options of a span. */
export interface SpanOptions<E extends readonly Field[]> extends DefinitionOptions {
  /** Fields of the end event: what is known when the work is done, a status say. */
  readonly end?: E;
}

/** A named group of event types: a library, a subsystem, a program. */
export interface Provider {
  readonly name: string;
  /**
   * Defines a tracepoint. The same definition made again is the same tracepoint.
   * @throws Error with one line when the name or a field is not usable.
   */
  tracepoint<const F extends readonly Field[] = readonly []>(
    name: string,
    fields?: F,
    options?: DefinitionOptions,
  ): Tracepoint<F>;
  /** Defines a span: two events around a piece of work. @throws Error as `tracepoint` does. */
  span<const F extends readonly Field[] = readonly [], const E extends readonly Field[] = readonly []>(
    name: string,
    fields?: F,
    options?: SpanOptions<E>,
  ): Span<F, E>;
  /** Defines a counter: a number over time. @throws Error as `tracepoint` does. */
  counter(name: string, type?: CounterType, options?: DefinitionOptions): Counter;
}

/** Types a counter can have. */
export type CounterType = (typeof COUNTER_TYPES)[number];

const COUNTER_TYPES = ["u8", "u16", "u32", "u53", "i8", "i16", "i32", "f32", "f64"] as const;

/**
 * Makes a provider.
 * @param name letters, digits, `_`, `.` and `-`; what globs select it by.
 * @throws Error when the name is not usable.
 */
export function provider(name: string): Provider {
  checkName("provider", name);
  return {
    name,
    tracepoint: (event, fields, options) =>
      defineTracepoint(`${name}:${checkName("tracepoint", event)}`, list(fields), options),
    span: (event, fields, options) => {
      const [own, end] = [list(fields), list(options?.end)];
      checkDefinition(`${name}:${event}`, spanFields(own));
      checkDefinition(`${name}:${event}`, spanEndFields(end));
      return defineSpan(`${name}:${checkName("span", event)}`, own, end, levelOf(options));
    },
    counter: (event, type = "f64", options) => {
      if (!COUNTER_TYPES.includes(type))
        throw new Error(
          `${name}:${event}: counter type ${JSON.stringify(type)}: use one of ${COUNTER_TYPES.join(", ")}`,
        );
      return defineCounter(`${name}:${checkName("counter", event)}`, type, levelOf(options));
    },
  };
}

function list<F extends readonly Field[]>(fields: F | undefined): F {
  return fields ?? ([] as readonly Field[] as F);
}

function defineTracepoint<F extends readonly Field[]>(
  name: string,
  fields: F,
  options?: DefinitionOptions,
): Tracepoint<F> {
  checkDefinition(name, fields);
  const { writer } = defineEvent(name, levelOf(options), "event", fields);
  return face<Tracepoint<F>>(writer.emit, name, {
    enabled: { get: writer.enabled },
    record: { value: writer.record },
  });
}

/** Gives a generated function its name and properties; a second time it is the same function. */
export function face<T>(
  emit: (...values: unknown[]) => unknown,
  name: string,
  properties: PropertyDescriptorMap,
): T {
  if (!Object.hasOwn(emit, "enabled"))
    Object.defineProperties(emit, { name: { value: name }, ...properties });
  return emit as T;
}

function checkName(what: string, name: string): string {
  if (typeof name !== "string" || !isWord(name, "_.-", 100))
    throw new Error(`${what} name ${JSON.stringify(name)}: use 1 to 100 letters, digits, "_", "." and "-"`);
  return name;
}

function checkDefinition(name: string, fields: readonly Field[]): void {
  try {
    checkFields(fields);
    const { before, after } = eventBlock(name, 0, "event", fields);
    const bytes = before.length + after.length;
    if (bytes > MAX_DECLARATION_BYTES)
      throw new Error(
        `the declaration takes ${bytes} bytes; the most is ${MAX_DECLARATION_BYTES}: use fewer or shorter labels`,
      );
  } catch (error) {
    throw new Error(`${name}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function levelOf(options: DefinitionOptions | undefined): number {
  const level = options?.level ?? "info";
  if (!isLevel(level))
    throw new Error(`level ${JSON.stringify(level)}: use one of ${Object.keys(LEVELS).join(", ")}`);
  return LEVELS[level];
}
