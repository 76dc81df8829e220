// The fields of events and spans as the arguments that viewers show: all scopes in one, without what the format says in
// another place. Used by the formats that have no table.
import type { EventRecord } from "../ctf/events.ts";
import type { Fields } from "../ctf/objects.ts";
import type { EventClass, FieldType, Member, StructType } from "../ctf/types.ts";
import type { Span } from "../spans/index.ts";

/** Fields of contexts that say the thread and the process, and what packets say of themselves. */
const KNOWN: ReadonlySet<string> = new Set([
  "tid",
  "vtid",
  "thread_name",
  "procname",
  "pid",
  "vpid",
  "pthread_id",
  "event_count",
]);

/** Fields of span events that are told as the span's own properties. */
const TIES: ReadonlySet<string> = new Set(["span_id", "parent_id", "failed"]);

/** The fields of an event: its own first, then those of its contexts, a name that was there already with its scope. */
export function argumentsOf(record: EventRecord): Fields {
  const all = ownFields(record.event, record.fields ?? {});
  addContext(all, "context", record.context);
  addContext(all, "stream", record.streamContext);
  addContext(all, "packet", record.packetContext);
  return all;
}

function addContext(all: Fields, scope: string, fields: Fields | undefined): void {
  for (const name in fields) {
    const value = fields[name];
    if (value !== undefined && !KNOWN.has(name))
      all[Object.hasOwn(all, name) ? `${scope}.${name}` : name] = value;
  }
}

/** The fields of a span: those of its begin, then those of its end, as `end.name` where the begin has one of that name. */
export function spanArguments({ beginRecord, endRecord, type }: Span): Fields {
  const all = beginRecord === undefined ? {} : argumentsOf(beginRecord);
  const isTie = (name: string): boolean => type.hasIds && TIES.has(name);
  for (const name of TIES) if (isTie(name)) delete all[name];
  if (endRecord === undefined) return all;
  const end = argumentsOf(endRecord);
  for (const name in end) {
    const value = end[name];
    if (value === undefined || isTie(name)) continue;
    if (!Object.hasOwn(all, name)) all[name] = value;
    // Contexts are the same at both, most of the time.
    else if (endRecord.fields !== undefined && Object.hasOwn(endRecord.fields, name))
      all[`end.${name}`] = value;
  }
  return all;
}

/** What ties a span to others, where the tracer says it, and whether it failed. */
export function tiesOf({ type, id, parentId, failed }: Span): Fields {
  const ids = !type.hasIds ? {} : parentId === 0 ? { span_id: id } : { span_id: id, parent_id: parentId };
  return failed ? { ...ids, failed } : ids;
}

/** The provider of an event or span: what stands before the colon. */
export function categoryOf(name: string): string {
  const colon = name.indexOf(":");
  return colon > 0 ? name.slice(0, colon) : name;
}

/** The members of a structure that are data for people: not those of the format, nor the lengths of others. */
export function dataMembers(type: StructType | undefined): readonly Member[] {
  if (type === undefined) return [];
  const lengths = new Set<FieldType | undefined>();
  for (const member of type.members) if (member.type.kind === "sequence") lengths.add(member.type.length);
  return type.members.filter((member) => !member.hidden && !lengths.has(member.type));
}

/** A copy without lengths, in which bytes are hexadecimal text and not arrays of numbers. */
function ownFields(event: EventClass, fields: Fields): Fields {
  let members = membersByEvent.get(event);
  if (members === undefined) membersByEvent.set(event, (members = dataMembers(event.fields)));
  const all: Fields = {};
  for (const { name, type } of members) {
    const value = fields[name];
    if (value === undefined) continue;
    all[name] = Array.isArray(value) && isBytes(type) ? Uint8Array.from(value, Number).toHex() : value;
  }
  return all;
}

const membersByEvent = new WeakMap<EventClass, readonly Member[]>();

/** Whether a field is an array or sequence of bytes that are no text. */
export function isBytes(type: FieldType): boolean {
  if ((type.kind !== "array" && type.kind !== "sequence") || type.text) return false;
  const { element } = type;
  return element.kind === "integer" && element.size === 8 && !element.signed && !element.encoded;
}
