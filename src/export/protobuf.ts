// Protocol Buffers from plain objects, by tables of field numbers. The bytes are written by pbf, which is loaded when a
// format asks for it. Used by perfetto.ts and otlp.ts.
import type { PbfWriter } from "pbf";

/**
 * How a field is written. `uint64`, `int64`: varints, also of enumerations; `fixed64`: eight bytes, also of signed
 * numbers; integers are numbers, bigints or decimal text. `hex`: bytes, given as hexadecimal text.
 */
export type Kind = "uint64" | "int64" | "fixed64" | "double" | "bool" | "string" | "hex";

/** Fields of a message: their numbers, and kinds or messages. */
export interface Schema {
  readonly [field: string]: readonly [number: number, type: Kind | (() => Schema)];
}

export type Scalar = number | bigint | string | boolean;

/** A message: fields by the schema's names; an array is a repeated field, undefined is no field. */
export interface Message {
  readonly [field: string]: Scalar | Message | readonly (Scalar | Message)[] | undefined;
}

const PBF_VARINT = 0;
const PBF_FIXED64 = 1;

/** Encodes messages, one after the other, with one buffer. */
export class Encoder {
  readonly #pbf: PbfWriter;

  constructor(pbf: PbfWriter) {
    this.#pbf = pbf;
  }

  /** The bytes of a message, valid until the next call. @throws Error for a field that the schema does not have */
  encode(schema: Schema, message: Message): Uint8Array {
    const pbf = this.#pbf;
    pbf.pos = 0;
    writeMessage(pbf, schema, message);
    return pbf.buf.subarray(0, pbf.pos);
  }
}

function writeMessage(pbf: PbfWriter, schema: Schema, message: Message): void {
  for (const name in message) {
    const value = message[name];
    if (value === undefined) continue;
    const field = schema[name];
    if (field === undefined) throw new Error(`the message has no field ${name}`);
    if (isList(value)) for (const one of value) writeField(pbf, field, one);
    else writeField(pbf, field, value);
  }
}

function writeField(pbf: PbfWriter, [number, type]: Schema[string], value: Scalar | Message): void {
  if (typeof value === "object") {
    if (typeof type !== "function") throw new Error(`field ${number} is no message`);
    pbf.writeMessage(number, (inner: Message, writer) => writeMessage(writer, type(), inner), value);
    return;
  }
  switch (type) {
    case "string":
      pbf.writeStringField(number, String(value));
      return;
    case "hex":
      pbf.writeBytesField(number, Uint8Array.fromHex(String(value)));
      return;
    case "bool":
      pbf.writeBooleanField(number, value === true);
      return;
    case "double":
      pbf.writeDoubleField(number, Number(value));
      return;
    case "uint64":
    case "int64":
      pbf.writeTag(number, PBF_VARINT);
      writeVarint(pbf, value);
      return;
    case "fixed64": {
      pbf.writeTag(number, PBF_FIXED64);
      const whole = BigInt.asUintN(64, BigInt(value));
      pbf.writeFixed32(Number(whole & 0xffffffffn));
      pbf.writeFixed32(Number(whole >> 32n));
      return;
    }
    default:
      throw new Error(`field ${number} is a message`);
  }
}

/** The library's own takes doubles, which do not hold 64 bits. */
function writeVarint(pbf: PbfWriter, value: Scalar): void {
  if (typeof value === "number" && value >= 0 && value <= Number.MAX_SAFE_INTEGER) {
    pbf.writeVarint(value);
    return;
  }
  const whole = BigInt.asUintN(64, BigInt(value));
  // As halves: bigints for each seven bits would take ten times as long.
  let low = Number(whole & 0xffffffffn);
  let high = Number(whole >> 32n);
  pbf.realloc(10);
  while (high > 0 || low > 0x7f) {
    pbf.buf[pbf.pos++] = (low & 0x7f) | 0x80;
    low = ((low >>> 7) | (high << 25)) >>> 0;
    high >>>= 7;
  }
  pbf.buf[pbf.pos++] = low;
}

function isList(value: Message[string]): value is readonly (Scalar | Message)[] {
  return Array.isArray(value);
}
