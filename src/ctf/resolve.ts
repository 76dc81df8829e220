// Turns the syntax tree of a trace's metadata into its trace class: clocks, stream classes, event classes and types.
// Called by trace.ts, once a trace. The order of the steps is babeltrace2's: environment, clocks, root types, trace,
// streams, events, whatever their order in the text.
import { CtfError } from "./errors.ts";
import { hideFormatFields, mapClocks } from "./meanings.ts";
import { resolvePaths } from "./paths.ts";
import type { Assignment, Block, Expression, Metadata } from "./syntax.ts";
import { TypeBuilder } from "./type-builder.ts";
import {
  type Clock,
  type EventClass,
  integerOf,
  type StreamClass,
  type StructType,
  type TraceClass,
} from "./types.ts";

const NANOSECONDS_A_SECOND = 1_000_000_000n;
const INT64_MAX = 0x7fff_ffff_ffff_ffffn;

/** What a block says, by name: values and types apart. Types were built in the block's scope. */
interface BlockContents {
  readonly values: ReadonlyMap<string, Expression>;
  readonly structs: ReadonlyMap<string, StructType>;
}

/**
 * Resolves a trace's metadata.
 *
 * @param file path of the metadata, named in errors
 * @param known clocks by their trace's UUID, which stay as they were read first; new ones are added
 * @throws CtfError where the metadata contradicts itself or CTF 1.8
 */
export function resolveMetadata(
  metadata: Metadata,
  file: string,
  known = new Map<string, readonly Clock[]>(),
): TraceClass {
  const blocks = Map.groupBy(metadata.blocks, ({ kind }) => kind);
  const [traceBlock, second] = blocks.get("trace") ?? [];
  if (traceBlock === undefined) throw new CtfError("the metadata has no trace block", { file });
  if (second !== undefined) throw new CtfError("a second trace block", { file, line: second.line });

  const littleEndian = traceByteOrder(traceBlock, file);
  const environment = readEnvironment(blocks.get("env") ?? []);
  const uuid = traceUuid(traceBlock, file);
  const clocks =
    known.get(uuid ?? "") ?? (blocks.get("clock") ?? []).map((block) => readClock(block, environment, file));
  if (uuid !== undefined) known.set(uuid, clocks);
  const builder = new TypeBuilder({ file, littleEndian, environment, clocks });
  for (const declaration of metadata.declarations) {
    if (declaration.kind === "type") builder.build(declaration.type);
    else builder.declare(declaration);
  }

  const traceContents = readBlock(traceBlock, builder, file);
  for (const [name, version] of [
    ["major", 1n],
    ["minor", 8n],
  ] as const) {
    const value = traceContents.values.get(name);
    if (value?.kind !== "integer" || value.value !== version) {
      throw new CtfError(`the trace's ${name} version is not ${version}: only CTF 1.8 is read`, {
        file,
        line: traceBlock.line,
      });
    }
  }
  const packetHeader = traceContents.structs.get("packet.header");
  const streamClasses: StreamClass[] = [];
  for (const block of blocks.get("stream") ?? [])
    addStream(block, builder, streamClasses, packetHeader, file);
  for (const block of blocks.get("event") ?? []) addEvent(block, builder, streamClasses, file);

  const trace: TraceClass = {
    uuid,
    littleEndian,
    environment,
    clocks,
    packetHeader,
    streamClasses,
  };
  mapClocks(trace, file);
  resolvePaths(trace, file);
  hideFormatFields(trace);
  checkFormatFields(trace, file);
  return trace;
}

function readBlock(block: Block, builder: TypeBuilder, file: string): BlockContents {
  const values = new Map<string, Expression>();
  const structs = new Map<string, StructType>();
  builder.scoped(() => {
    for (const entry of block.entries) {
      if (entry.kind === "typealias" || entry.kind === "typedef") {
        builder.declare(entry);
        continue;
      }
      if (values.has(entry.left) || structs.has(entry.left)) {
        throw new CtfError(`${entry.left} is there twice in ${block.kind}`, {
          file,
          line: entry.line,
        });
      }
      if (entry.kind === "assignment") values.set(entry.left, entry.right);
      else structs.set(entry.left, builder.buildStruct(entry.type, entry.left));
    }
  });
  return { values, structs };
}

function traceByteOrder(block: Block, file: string): boolean {
  const value = assignments(block).find(({ left }) => left === "byte_order")?.right;
  const order = value?.kind === "text" ? value.text : undefined;
  if (order === "le") return true;
  if (order === "be" || order === "network") return false;
  throw new CtfError("the trace's byte_order is le, be or network", {
    file,
    line: value?.line ?? block.line,
  });
}

function traceUuid(block: Block, file: string): string | undefined {
  const value = assignments(block).find(({ left }) => left === "uuid")?.right;
  return value?.kind === "text" ? normalizeUuid(value, file) : undefined;
}

function readEnvironment(blocks: readonly Block[]): Map<string, string | bigint> {
  const environment = new Map<string, string | bigint>();
  for (const { left, right } of blocks.flatMap(assignments)) {
    environment.set(left, right.kind === "text" ? right.text : BigInt.asIntN(64, right.value));
  }
  return environment;
}

function readClock(block: Block, environment: ReadonlyMap<string, string | bigint>, file: string): Clock {
  const { line } = block;
  const values = new Map<string, Expression>();
  for (const { left, right, line: at } of assignments(block)) {
    if (values.has(left)) throw new CtfError(`${left} is there twice in clock`, { file, line: at });
    values.set(left, right);
  }
  const name = textOf(values.get("name"));
  if (name === undefined) throw new CtfError("a clock needs a name", { file, line });
  const frequency = integerValue(values.get("freq")) ?? NANOSECONDS_A_SECOND;
  if (frequency < 1n) throw new CtfError(`a clock cannot run at ${frequency} Hz`, { file, line });
  const offset = integerValue(values.get("offset")) ?? 0n;
  if (offset < 0n) throw new CtfError("a clock's offset cannot be negative", { file, line });
  const absolute = values.get("absolute");
  const uuid = values.get("uuid");
  // LTTng's older tracers forgot to say that their monotonic clock is absolute.
  const isLttng = String(environment.get("tracer_name") ?? "").startsWith("lttng") && name === "monotonic";
  return {
    name,
    uuid: uuid?.kind === "text" ? normalizeUuid(uuid, file) : undefined,
    description: textOf(values.get("description")),
    frequency,
    offsetSeconds: BigInt.asIntN(64, integerValue(values.get("offset_s")) ?? 0n) + offset / frequency,
    offsetCycles: offset % frequency,
    absolute: isLttng || (absolute !== undefined && truth(absolute, file)),
  };
}

function addStream(
  block: Block,
  builder: TypeBuilder,
  streams: StreamClass[],
  packetHeader: StructType | undefined,
  file: string,
): void {
  const { line } = block;
  const { values, structs } = readBlock(block, builder, file);
  const id = identifier(values.get("id"), "stream", file);
  if (id === undefined && streams.length > 0)
    throw new CtfError("a second stream needs an id", { file, line });
  if (
    id !== undefined &&
    integerOf(packetHeader?.members.find(({ name }) => name === "stream_id")?.type) === undefined
  ) {
    throw new CtfError("a stream has an id, but the packet header has no integer stream_id", { file, line });
  }
  if (streams.some((stream) => stream.id === (id ?? 0n))) {
    throw new CtfError(`a second stream with the id ${id ?? 0n}`, {
      file,
      line,
    });
  }
  streams.push({
    id: id ?? 0n,
    packetContext: structs.get("packet.context"),
    eventHeader: structs.get("event.header"),
    eventContext: structs.get("event.context"),
    clock: undefined,
    events: [],
  });
}

function addEvent(block: Block, builder: TypeBuilder, streams: StreamClass[], file: string): void {
  const { line } = block;
  const { values, structs } = readBlock(block, builder, file);
  const name = values.get("name");
  if (name?.kind !== "text") throw new CtfError("an event needs a name", { file, line });
  const streamId = identifier(values.get("stream_id"), "event's stream", file);
  if (streamId === undefined && streams.length === 0) {
    streams.push({
      id: 0n,
      packetContext: undefined,
      eventHeader: undefined,
      eventContext: undefined,
      clock: undefined,
      events: [],
    });
  }
  if (streamId === undefined && streams.length > 1)
    throw new CtfError("an event needs a stream_id", { file, line });
  const streamClass = streamId === undefined ? streams[0] : streams.find((stream) => stream.id === streamId);
  if (streamClass === undefined) throw new CtfError(`there is no stream ${streamId}`, { file, line });
  const id = identifier(values.get("id"), "event", file);
  if (id === undefined && streamClass.events.length > 0)
    throw new CtfError("an event needs an id", { file, line });
  if (streamClass.events.some((event) => event.id === (id ?? 0n))) {
    throw new CtfError(`a second event with the id ${id ?? 0n}`, {
      file,
      line,
    });
  }
  const logLevel = integerValue(values.get("loglevel"));
  const event: EventClass = {
    index: streamClass.events.length,
    id: id ?? 0n,
    name: name.text,
    logLevel: logLevel !== undefined && logLevel >= 0n && logLevel <= 14n ? Number(logLevel) : undefined,
    emfUri: textOf(values.get("model.emf.uri")) || undefined,
    streamClass,
    context: structs.get("context"),
    fields: structs.get("fields"),
  };
  streamClass.events.push(event);
}

/** Fields by which the format itself works: they must be integers, and unsigned. */
function checkFormatFields(trace: TraceClass, file: string): void {
  checkIntegers(trace.packetHeader, ["magic", "stream_id", "stream_instance_id"], "packet header", file);
  const { packetHeader } = trace;
  const magic = packetHeader?.members.findIndex(({ name }) => name === "magic") ?? -1;
  if (magic > 0)
    throw new CtfError("magic is not the packet header's first field", {
      file,
    });
  const magicType = integerOf(packetHeader?.members[magic]?.type);
  if (magicType !== undefined && magicType.size !== 32) throw new CtfError("magic has not 32 bits", { file });
  if (trace.streamClasses.length > 1 && !packetHeader?.members.some(({ name }) => name === "stream_id")) {
    throw new CtfError("several streams, but no stream_id in the packet header", { file });
  }
  const uuid = packetHeader?.members.find(({ name }) => name === "uuid")?.type;
  if (uuid !== undefined) {
    const element =
      uuid.kind === "array" && uuid.length === 16 && uuid.element.kind === "integer" && uuid.element;
    if (!element || element.size !== 8 || element.align !== 8 || element.signed) {
      throw new CtfError("the packet header's uuid is not an array of 16 unsigned bytes", { file });
    }
  }
  for (const stream of trace.streamClasses) {
    const times = ["timestamp_begin", "timestamp_end"];
    const counts = ["events_discarded", "packet_seq_num", "packet_size", "content_size"];
    checkIntegers(stream.packetContext, [...times, ...counts], "packet context", file);
    checkIntegers(stream.eventHeader, ["id"], "event header", file);
  }
}

function checkIntegers(
  struct: StructType | undefined,
  names: readonly string[],
  where: string,
  file: string,
): void {
  for (const name of names) {
    const member = struct?.members.find((one) => one.name === name);
    if (member === undefined) continue;
    const integer = integerOf(member.type);
    if (integer === undefined || integer.signed) {
      throw new CtfError(`${name} in the ${where} is not an unsigned integer`, {
        file,
      });
    }
  }
}

function assignments(block: Block): Assignment[] {
  return block.entries.filter((entry): entry is Assignment => entry.kind === "assignment");
}

function identifier(value: Expression | undefined, what: string, file: string): bigint | undefined {
  if (value === undefined) return undefined;
  if (value.kind === "integer" && value.value >= 0n && value.value <= INT64_MAX) return value.value;
  throw new CtfError(`the id of a ${what} is a number from 0 to ${INT64_MAX}`, {
    file,
    line: value.line,
  });
}

function integerValue(value: Expression | undefined): bigint | undefined {
  return value?.kind === "integer" ? value.value : undefined;
}

function textOf(value: Expression | undefined): string | undefined {
  return value?.kind === "text" ? value.text : undefined;
}

function truth(value: Expression, file: string): boolean {
  if (value.kind === "integer") return value.value !== 0n;
  if (/^(true|TRUE|false|FALSE)$/.test(value.text)) return value.text.toLowerCase() === "true";
  throw new CtfError(`${JSON.stringify(value.text)} is neither true nor false`, { file, line: value.line });
}

function normalizeUuid(value: Expression & { kind: "text" }, file: string): string {
  const uuid = value.text.toLowerCase();
  if (/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/.test(uuid)) return uuid;
  throw new CtfError(`${JSON.stringify(value.text)} is not a UUID`, {
    file,
    line: value.line,
  });
}
