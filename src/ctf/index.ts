/**
 * `buntrace/ctf`: reads CTF 1.8 traces, this tracer's and others' (LTTng, barectf).
 *
 * ```ts
 * import { openTraces } from "buntrace/ctf";
 *
 * const traces = openTraces("buntrace.data");
 * for (const event of traces.events()) console.log(event.time, event.name, event.fields);
 * ```
 *
 * Three forms, from the convenient to the fast:
 * - {@link TraceSet.events}: one object an event, all streams merged by time;
 * - {@link TraceSet.runs} and {@link TraceSet.batches}: arrays of times and classes, fields decoded on demand;
 * - {@link TraceSet.groups}: the events of one class, each field an array.
 *
 * All are iterators that read as they go: memory does not grow with the trace. Damage in the data is collected in
 * {@link TraceSet.problems}; what cannot be read at all throws {@link CtfError}.
 *
 * @module
 */
export type { Column, ColumnSelection, EventGroup } from "./columns.ts";
export type { EventDecoder, EventScopes, ScopeName, StreamDecoder } from "./decoder.ts";
export { CtfError, type Problem, type TracePlace } from "./errors.ts";
export { type EventRecord, eventClassAt, eventRecord, eventTime } from "./events.ts";
export type { Run } from "./merge.ts";
export { type Fields, type FieldValue, isBoolean, labelsOf } from "./objects.ts";
export type { Packet } from "./packet.ts";
export type { EventBatch, Loss, Stream, TimeRange } from "./stream.ts";
export { toNanoseconds } from "./time.ts";
export { openTraces, type Trace, type TraceSet } from "./trace.ts";
export type * from "./types.ts";
