// The meanings that CTF gives to fields by their names: which clock a timestamp belongs to, and which fields serve the
// format only (CTF 1.8.3 sections 5 and 6, and babeltrace2's reading of them). Called by resolve.ts.
import { CtfError } from "./errors.ts";
import {
  type Clock,
  type FieldType,
  integerOf,
  type Member,
  type StreamClass,
  type TraceClass,
} from "./types.ts";

/** Fields of a packet context that describe the packet. */
const PACKET_FIELDS: ReadonlySet<string> = new Set([
  "timestamp_begin",
  "timestamp_end",
  "events_discarded",
  "packet_seq_num",
  "packet_size",
  "content_size",
]);

/**
 * Gives timestamps without a clock the trace's only clock (one of 1 GHz when there is none), and every stream class the
 * clock of its fields.
 *
 * @throws CtfError when a choice between clocks would have to be made
 */
export function mapClocks(trace: TraceClass, file: string): void {
  const implicit: Clock = {
    name: "default",
    uuid: undefined,
    description: undefined,
    absolute: false,
    frequency: 1_000_000_000n,
    offsetSeconds: 0n,
    offsetCycles: 0n,
  };
  const clocks = trace.clocks.length === 0 ? [implicit] : trace.clocks;
  for (const stream of trace.streamClasses) {
    for (const { name, type } of namedFields(stream.eventHeader)) if (name === "timestamp") mapField(type);
    for (const { name, type } of namedFields(stream.packetContext)) {
      if (name === "timestamp_begin" || name === "timestamp_end") mapField(type);
    }
    stream.clock = clockOf(stream, file);
    // Its value belongs to the packet's end: it must not count as the time before the first event.
    const end = integerOf(stream.packetContext?.members.find(({ name }) => name === "timestamp_end")?.type);
    if (end !== undefined) end.clock = undefined;
  }

  function mapField(type: FieldType): void {
    const integer = integerOf(type);
    if (integer === undefined || integer.clock !== undefined) return;
    if (clocks.length > 1)
      throw new CtfError("a timestamp does not say which of the clocks it is of", { file });
    integer.clock = clocks[0];
  }
}

/** Marks the fields that are not data: what the format needs, but no variant and no sequence that is data. */
export function hideFormatFields(trace: TraceClass): void {
  for (const stream of trace.streamClasses) {
    const needed = new Set<FieldType | undefined>();
    for (const event of stream.events) {
      markHidden(event.fields, needed);
      markHidden(event.context, needed);
    }
    markHidden(stream.eventContext, needed);
    if (stream.packetContext === undefined) continue;
    const format = stream.packetContext.members
      .filter(({ name }) => PACKET_FIELDS.has(name))
      .map(({ type }) => type);
    markHidden(stream.packetContext, needed, new Set(format));
  }
}

/**
 * The integer fields of an event header that say the event's class; the last one read counts.
 */
export function eventIdFields(stream: StreamClass): Set<FieldType> {
  const fields = new Set<FieldType>();
  visit(stream.eventHeader, "");
  return fields;

  // The options of a variant have names too, but those choose the option and mean nothing else.
  function visit(type: FieldType | undefined, name: string): void {
    if (type?.kind === "struct") for (const member of type.members) visit(member.type, member.name);
    else if (type?.kind === "variant") for (const option of type.options) visit(option.type, "");
    else if (type?.kind === "array" || type?.kind === "sequence") visit(type.element, "");
    else if (name === "id" && type !== undefined && integerOf(type)?.signed === false) fields.add(type);
  }
}

/** Returns whether the type is hidden, having marked what is in it. The last field goes first: it may need others. */
function markHidden(
  type: FieldType | undefined,
  needed: Set<FieldType | undefined>,
  format: ReadonlySet<FieldType> = new Set(),
): boolean {
  switch (type?.kind) {
    case "integer":
    case "enum":
      return (integerOf(type)?.clock !== undefined || format.has(type)) && !needed.has(type);
    case "struct": {
      const hidden = type.members.toReversed().map((member) => markMember(member));
      return hidden.length > 0 && hidden.every(Boolean);
    }
    case "variant": {
      const hidden = type.options.map((option) => markMember(option)).every(Boolean);
      // The tag may choose any option, so all are shown or none.
      for (const option of type.options) option.hidden = hidden;
      if (!hidden) needed.add(type.tag);
      return hidden;
    }
    case "array":
    case "sequence": {
      const hidden = markHidden(type.element, needed, format);
      if (!hidden && type.kind === "sequence") needed.add(type.length);
      return hidden;
    }
    default:
      return false;
  }

  function markMember(member: Member): boolean {
    member.hidden = markHidden(member.type, needed, format);
    return member.hidden;
  }
}

function clockOf(stream: StreamClass, file: string): Clock | undefined {
  const clocks = new Set<Clock>();
  visit(stream.packetContext);
  visit(stream.eventHeader);
  visit(stream.eventContext);
  for (const event of stream.events) {
    visit(event.context);
    visit(event.fields);
  }
  const [clock, second] = clocks;
  if (second !== undefined) {
    throw new CtfError(`stream ${stream.id} has two clocks, ${clock?.name} and ${second.name}`, { file });
  }
  return clock;

  function visit(type: FieldType | undefined): void {
    if (type === undefined) return;
    const clockOfField = integerOf(type)?.clock;
    if (clockOfField !== undefined) clocks.add(clockOfField);
    for (const child of childrenOf(type)) visit(child);
  }
}

/** All members and options under a type, however deep, but not those of arrays' elements. */
function namedFields(type: FieldType | undefined): Member[] {
  if (type?.kind !== "struct" && type?.kind !== "variant") return [];
  const members = type.kind === "struct" ? type.members : type.options;
  return members.flatMap((member) => [member, ...namedFields(member.type)]);
}

/** The types that a type is made of. */
export function childrenOf(type: FieldType): readonly FieldType[] {
  if (type.kind === "struct") return type.members.map((member) => member.type);
  if (type.kind === "variant") return type.options.map((option) => option.type);
  return type.kind === "array" || type.kind === "sequence" ? [type.element] : [];
}
