// The messages of Perfetto that perfetto.ts writes, with the official field names and numbers.
//
// Source: google/perfetto, protos/perfetto/trace/: trace.proto, trace_packet.proto, clock_snapshot.proto,
// interned_data/interned_data.proto, track_event/{track_event,track_descriptor,process_descriptor,thread_descriptor,
// counter_descriptor,debug_annotation}.proto.
import type { Schema } from "./protobuf.ts";

const CLOCK: Schema = { clock_id: [1, "uint64"], timestamp: [2, "uint64"] };
const CLOCK_SNAPSHOT: Schema = { clocks: [1, () => CLOCK] };

/** EventCategory, EventName and DebugAnnotationName are alike. */
const ENTRY: Schema = { iid: [1, "uint64"], name: [2, "string"] };
const INTERNED_DATA: Schema = {
  event_categories: [1, () => ENTRY],
  event_names: [2, () => ENTRY],
  debug_annotation_names: [3, () => ENTRY],
};

const DEBUG_ANNOTATION: Schema = {
  name_iid: [1, "uint64"],
  bool_value: [2, "bool"],
  uint_value: [3, "uint64"],
  int_value: [4, "int64"],
  double_value: [5, "double"],
  string_value: [6, "string"],
  name: [10, "string"],
  dict_entries: [11, () => DEBUG_ANNOTATION],
  array_values: [12, () => DEBUG_ANNOTATION],
};

const TRACK_EVENT: Schema = {
  category_iids: [3, "uint64"],
  debug_annotations: [4, () => DEBUG_ANNOTATION],
  type: [9, "uint64"],
  name_iid: [10, "uint64"],
  track_uuid: [11, "uint64"],
  counter_value: [30, "int64"],
  double_counter_value: [44, "double"],
};

const PROCESS_DESCRIPTOR: Schema = { pid: [1, "int64"], process_name: [6, "string"] };
const THREAD_DESCRIPTOR: Schema = { pid: [1, "int64"], tid: [2, "int64"], thread_name: [5, "string"] };
const TRACK_DESCRIPTOR: Schema = {
  uuid: [1, "uint64"],
  name: [2, "string"],
  process: [3, () => PROCESS_DESCRIPTOR],
  thread: [4, () => THREAD_DESCRIPTOR],
  parent_uuid: [5, "uint64"],
  counter: [8, () => ({})],
};

const TRACE_PACKET: Schema = {
  clock_snapshot: [6, () => CLOCK_SNAPSHOT],
  timestamp: [8, "uint64"],
  trusted_packet_sequence_id: [10, "uint64"],
  track_event: [11, () => TRACK_EVENT],
  interned_data: [12, () => INTERNED_DATA],
  sequence_flags: [13, "uint64"],
  track_descriptor: [60, () => TRACK_DESCRIPTOR],
};

/** A whole file; parts of it, one after the other, are one as well. */
export const TRACE: Schema = { packet: [1, () => TRACE_PACKET] };

/** TrackEvent.Type. */
export const EVENT_TYPE = { sliceBegin: 1, sliceEnd: 2, instant: 3, counter: 4 } as const;

/** ClockSnapshot.Clock.BuiltinClocks. */
export const CLOCKS = { realtime: 1, boottime: 6 } as const;

/** TracePacket.SequenceFlags: names given before hold no more; names given before are used. */
export const SEQUENCE_FLAGS = { incrementalStateCleared: 1, needsIncrementalState: 2 } as const;
