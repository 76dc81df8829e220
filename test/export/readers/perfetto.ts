/**
 * Reads a Perfetto trace as trace_processor does: decoded by protobufjs with the
 * official field numbers, packets of a sequence taken in order for their interned
 * names, events sorted by time (stably), slices put on their tracks as on stacks.
 * Runs in the test process.
 */
import { join } from "node:path";
import protobuf from "protobufjs";

import { type Drawn, type DrawnSpan, Stack } from "./drawn.ts";

const { root } = protobuf.parse(await Bun.file(join(import.meta.dirname, "perfetto.proto")).text(), {
  keepCase: true,
});
const TRACE = root.lookupType("perfetto.protos.Trace");

interface Annotation {
  readonly name_iid?: string;
  readonly name?: string;
  readonly dict_entries?: readonly Annotation[];
  readonly array_values?: readonly Annotation[];
  readonly [value: string]: unknown;
}

interface Packet {
  readonly timestamp?: string;
  readonly trusted_packet_sequence_id?: number;
  readonly sequence_flags?: number;
  readonly clock_snapshot?: { readonly clocks: readonly { clock_id: number; timestamp: string }[] };
  readonly interned_data?: Readonly<
    Partial<Record<InternedKind, readonly { readonly iid: string; readonly name: string }[]>>
  >;
  readonly track_descriptor?: {
    readonly uuid: string;
    readonly name?: string;
    readonly parent_uuid?: string;
    readonly process?: { readonly pid: number; readonly process_name: string };
    readonly thread?: { readonly pid: number; readonly tid: number; readonly thread_name: string };
    readonly counter?: object;
  };
  readonly track_event?: {
    readonly type: string;
    readonly track_uuid: string;
    readonly name_iid?: string;
    readonly category_iids?: readonly string[];
    readonly debug_annotations?: readonly Annotation[];
    readonly counter_value?: string;
    readonly double_counter_value?: number;
  };
}

type InternedKind = "event_categories" | "event_names" | "debug_annotation_names";
const KINDS = ["event_categories", "event_names", "debug_annotation_names"] as const;

const VALUES = ["bool_value", "uint_value", "int_value", "double_value", "string_value"] as const;

/** An event with its names looked up. */
interface Named {
  readonly time: bigint;
  readonly type: string;
  readonly track: string;
  readonly name: string;
  readonly category: string;
  readonly args: Record<string, unknown>;
  readonly value: number | undefined;
}

/** @throws Error for anything that trace_processor would drop or count as an error */
export function readPerfetto(bytes: Uint8Array): Drawn & { readonly clock: bigint } {
  const decoded = TRACE.decode(bytes);
  const message = TRACE.toObject(decoded, { longs: String, enums: String }) as { packet: Packet[] };
  const rest = TRACE.encode(decoded).finish().length;
  // Fields that the official messages do not have are dropped when decoded.
  if (rest !== bytes.length) throw new Error(`${bytes.length - rest} bytes are of no known field`);
  const [first] = message.packet;
  const clocks = first?.clock_snapshot?.clocks ?? [];
  if (clocks.length !== 2 || clocks[0]?.timestamp !== clocks[1]?.timestamp)
    throw new Error("no clock snapshot");
  const names = new Map<string, string>();
  const tracks = new Map<string, NonNullable<Packet["track_descriptor"]>>();
  const events: Named[] = [];
  let cleared = false;
  for (const packet of message.packet) {
    const flags = packet.sequence_flags ?? 0;
    if (packet.trusted_packet_sequence_id !== 1) throw new Error("a packet of no sequence");
    if ((flags & 1) !== 0) cleared = true;
    if ((flags & 2) !== 0 && !cleared) throw new Error("a packet needs state that was not set");
    for (const kind of KINDS) {
      for (const { iid, name } of packet.interned_data?.[kind] ?? []) {
        if (names.has(`${kind} ${iid}`) || iid === "0") throw new Error(`${kind} ${iid} is given twice`);
        names.set(`${kind} ${iid}`, name);
      }
    }
    const { track_descriptor: track, track_event: event } = packet;
    if (track !== undefined) {
      if (track.parent_uuid !== undefined && !tracks.has(track.parent_uuid))
        throw new Error("a track without its parent");
      tracks.set(track.uuid, track);
    }
    if (event === undefined) continue;
    if (!tracks.has(event.track_uuid)) throw new Error(`track ${event.track_uuid} is not described`);
    if (packet.timestamp === undefined) throw new Error("an event without a time");
    if (event.name_iid !== undefined && (flags & 2) === 0) throw new Error("interned names without the flag");
    const look = (kind: InternedKind, iid: string): string => {
      const name = names.get(`${kind} ${iid}`);
      if (name === undefined) throw new Error(`${kind} ${iid} is not given`);
      return name;
    };
    const args = (event.debug_annotations ?? []).map((one) => [
      one.name ?? look("debug_annotation_names", one.name_iid ?? ""),
      valueOf(one),
    ]);
    events.push({
      time: BigInt(packet.timestamp),
      type: event.type,
      track: event.track_uuid,
      name: event.name_iid === undefined ? "" : look("event_names", event.name_iid),
      category: event.category_iids?.map((iid) => look("event_categories", iid)).join() ?? "",
      args: Object.fromEntries(args),
      value: event.counter_value === undefined ? event.double_counter_value : Number(event.counter_value),
    });
  }
  return { ...draw(events, tracks), clock: BigInt(clocks[0]?.timestamp ?? 0) };
}

function valueOf(one: Annotation): unknown {
  const kind = VALUES.find((name) => one[name] !== undefined);
  if (kind === "uint_value" || kind === "int_value") return BigInt(String(one[kind]));
  if (kind !== undefined) return one[kind];
  if (one.array_values !== undefined) return one.array_values.map(valueOf);
  return Object.fromEntries((one.dict_entries ?? []).map((entry) => [entry.name, valueOf(entry)]));
}

function draw(
  events: readonly Named[],
  tracks: ReadonlyMap<string, NonNullable<Packet["track_descriptor"]>>,
): Drawn {
  const spans: DrawnSpan[] = [];
  const losses: DrawnSpan[] = [];
  const drawn = {
    spans,
    losses,
    instants: [] as Drawn["instants"][number][],
    values: [] as Drawn["values"][number][],
  };
  const stacks = new Map<string, Stack<Named>>();
  const threadOf = (uuid: string): string => {
    const track = tracks.get(uuid);
    if (track?.thread !== undefined) return track.thread.thread_name;
    return track?.parent_uuid === undefined ? "" : threadOf(track.parent_uuid);
  };
  const add = (event: Named, start: bigint, end: bigint | undefined): void => {
    const isLoss = tracks.get(event.track)?.name?.startsWith("lost ") === true;
    const { name, args, track } = event;
    (isLoss ? losses : spans).push({ name, start, end, args, thread: threadOf(track) });
  };
  // Array#sort is stable.
  for (const event of events.toSorted((one, other) =>
    one.time < other.time ? -1 : one.time > other.time ? 1 : 0,
  )) {
    const { time, track, name, args, value } = event;
    const isCounter = tracks.get(track)?.counter !== undefined;
    if (isCounter !== (event.type === "TYPE_COUNTER"))
      throw new Error(`${event.type} on the wrong kind of track`);
    let stack = stacks.get(track);
    if (stack === undefined) stacks.set(track, (stack = new Stack()));
    if (event.type === "TYPE_SLICE_BEGIN") stack.begin(time, event);
    else if (event.type === "TYPE_SLICE_END") {
      const { of, start } = stack.end(time);
      add(of, start, time);
    } else if (event.type === "TYPE_INSTANT")
      drawn.instants.push({ name, time, args, thread: threadOf(track) });
    else if (value !== undefined)
      drawn.values.push({ name: tracks.get(track)?.name ?? "", time, value, thread: threadOf(track) });
    else throw new Error("a counter event without a value");
  }
  for (const stack of stacks.values()) for (const { of, start } of stack.open) add(of, start, undefined);
  return drawn;
}
