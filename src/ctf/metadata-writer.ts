/**
 * Writes a trace's `metadata`: CTF 1.8 TSDL as plain text. Called inside the
 * traced process when a session opens (the head) and when an event type is
 * declared (its block, which declare.c appends with the id it gives out).
 *
 * Source: the Common Trace Format specification, version 1.8.3.
 */
import type { Field, FieldType } from "./fields.ts";
import { elementType, isArrayType, isNumberType, layoutEnum, NUMBER_TYPES, UNKNOWN_LABEL } from "./fields.ts";

/** What an event type is in buntrace's terms; told in `model.emf.uri`. */
export type EventKind = "event" | "counter" | "span_begin" | "span_end";

/**
 * The head: everything before the first event type, in two parts; the clock's
 * uuid, frequency and offset go between them, and the beginning of the `env` block, with
 * how far the trace goes (write_metadata in shim/create.c).
 * @param id 16 bytes.
 * @param variables of the trace's `env` block.
 */
export function metadataHead(
  id: Uint8Array,
  variables: Readonly<Record<string, string | number>>,
): { before: string; after: string } {
  const uuid = formatUuid(id);
  let env = "";
  for (const [key, value] of Object.entries(variables))
    env += `\t${key} = ${typeof value === "number" ? value : quote(value)};\n`;
  const before = `/* CTF 1.8 */
${TYPES}
trace {
	major = 1;
	minor = 8;
	uuid = "${uuid}";
	byte_order = le;
	packet.header := struct {
		u32 magic;
		u8 uuid[16];
		u32 stream_id;
		u64 stream_instance_id;
	};
};

clock {
	name = "buntrace";
	description = "time since the session began";
	`;
  const after = `
${env}};

typealias integer { size = 27; align = 1; signed = false; map = clock.buntrace.value; } := compact_ticks;
typealias integer { size = 64; align = 8; signed = false; map = clock.buntrace.value; } := ticks;

stream {
	id = 0;
	packet.context := struct {
		ticks timestamp_begin;
		ticks timestamp_end;
		u64 content_size;
		u64 packet_size;
		u64 packet_seq_num;
		u64 events_discarded;
		u32 event_count;
		u32 tid;
		text thread_name[32];
	};
	event.header := struct {
		enum : integer { size = 5; align = 1; signed = false; } { compact = 0 ... 30, extended = 31 } id;
		variant <id> {
			struct {
				compact_ticks timestamp;
			} compact;
			struct {
				u32 id;
				ticks timestamp;
			} extended;
		} v;
	} align(8);
};
`;
  return { before, after };
}

/**
 * An event type's block, in two parts: its id goes between them. Field names get
 * a leading underscore, which readers take away, so that any word can be a name.
 */
export function eventBlock(
  name: string,
  level: number,
  kind: EventKind,
  fields: readonly Field[],
): { before: string; after: string } {
  const uri = kind === "event" ? "" : `\tmodel.emf.uri = "buntrace:${kind}";\n`;
  const lengths = lengthNames(fields);
  let lines = "";
  for (const [field, type] of fields)
    lines += `\t\t${declaration(`_${field}`, type, lengths.get(field) ?? "")}\n`;
  return {
    before: `\nevent {\n\tname = ${quote(name)};\n\tid = `,
    after: `;\n\tstream_id = 0;\n\tloglevel = ${level};\n${uri}\tfields := struct {\n${lines}\t} align(8);\n};\n`,
  };
}

/** The types of NUMBER_TYPES, and what else fields and packets are made of. */
const TYPES = `typealias integer { size = 8; align = 8; signed = false; } := u8;
typealias integer { size = 16; align = 8; signed = false; } := u16;
typealias integer { size = 32; align = 8; signed = false; } := u32;
typealias integer { size = 64; align = 8; signed = false; } := u64;
typealias integer { size = 8; align = 8; signed = true; } := i8;
typealias integer { size = 16; align = 8; signed = true; } := i16;
typealias integer { size = 32; align = 8; signed = true; } := i32;
typealias integer { size = 64; align = 8; signed = true; } := i64;
typealias floating_point { exp_dig = 8; mant_dig = 24; align = 8; } := f32;
typealias floating_point { exp_dig = 11; mant_dig = 53; align = 8; } := f64;
typealias integer { size = 8; align = 8; signed = false; encoding = UTF8; } := text;
typealias enum : u8 { false = 0, true = 1 } := boolean;`;

/**
 * The names under which arrays' lengths are declared, by the arrays' names: as LTTng
 * names them, with more underscores where another name is too near. babeltrace2
 * compares a name as declared (`_data_length`) with those before it as shown
 * (`_data_length`, declared with two).
 */
function lengthNames(fields: readonly Field[]): Map<string, string> {
  const shown = new Set<string>();
  for (const [name] of fields) shown.add(name);
  const names = new Map<string, string>();
  for (const [array, type] of fields) {
    if (type !== "bytes" && !isArrayType(type)) continue;
    let name = `_${array}_length`;
    while (shown.has(name) || shown.has(`_${name}`) || shown.has(name.slice(1))) name = `_${name}`;
    shown.add(name);
    names.set(array, `_${name}`);
  }
  return names;
}

function declaration(name: string, type: FieldType, length: string): string {
  if (type === "string") return `string { encoding = UTF8; } ${name};`;
  if (type === "bytes") return `u32 ${length}; u8 ${name}[${length}];`;
  if (type === "bool") return `boolean ${name};`;
  if (isArrayType(type)) return `u32 ${length}; ${NUMBER_TYPES[elementType(type)].tsdl} ${name}[${length}];`;
  if (isNumberType(type)) return `${NUMBER_TYPES[type].tsdl} ${name};`;
  const { container, unknown, labels } = layoutEnum(type.enum);
  const all = [...labels, [UNKNOWN_LABEL, unknown] as const];
  return `enum : ${container} { ${all.map(([label, value]) => `${quote(label)} = ${value}`).join(", ")} } ${name};`;
}

/** A TSDL string literal. What is not printable ASCII goes as octal escapes of its UTF-8. */
function quote(text: string): string {
  const bytes = new TextEncoder().encode(text);
  let out = "";
  // Counted: the first iterator of a buffer takes 0.1 ms of a traced program's start.
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] ?? 0;
    out +=
      byte < 32 || byte > 126 || byte === 34 || byte === 92
        ? `\\${byte.toString(8).padStart(3, "0")}`
        : String.fromCharCode(byte);
  }
  return `"${out}"`;
}

/** 16 bytes as lower-case text with dashes. */
export function formatUuid(uuid: Uint8Array): string {
  const hex = uuid.toHex();
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
