/**
 * The public API: what a program imports as `buntrace`. Exports only.
 */
export type { ArrayType, EnumType, Field, FieldType, NumberType } from "./ctf/fields.ts";
export type { Counter } from "./record/counter.ts";
export type { Level } from "./record/levels.ts";
export { nameThread, tracef } from "./record/name.ts";
export { flush, openSession, type Session } from "./record/session.ts";
export type { SnapshotResult } from "./record/snapshot.ts";
export type { Clock, Mode, SessionInfo } from "./record/session-file.ts";
export type { SessionOptions } from "./record/settings.ts";
export type { Span } from "./record/span.ts";
export {
  type CounterType,
  type DefinitionOptions,
  type NamedValuesOf,
  type Provider,
  provider,
  type SpanOptions,
  type Tracepoint,
  type ValueOf,
  type ValuesOf,
} from "./record/tracepoint.ts";
