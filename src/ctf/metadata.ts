// Reads the metadata file of a trace: plain text, or packets of text (CTF 1.8.3 section 7.1), as LTTng writes it.
import { readFileSync, statSync } from "node:fs";
import { CtfError } from "./errors.ts";

/** First word of a metadata packet. */
const PACKET_MAGIC = 0x75d11d57;

/** Bytes of a metadata packet's header. */
const PACKET_HEADER = 37;

/** Bytes. Larger metadata is no metadata: a kernel's thousand events take one million. */
const MAX_METADATA = 64 * 1024 * 1024;

/**
 * Reads a metadata file's text. Of a last packet that is cut short, what there is is read.
 *
 * @throws CtfError when it is no metadata of CTF 1.8
 */
export function readMetadataText(file: string): string {
  if (statSync(file).size > MAX_METADATA)
    throw new CtfError(`metadata of more than ${MAX_METADATA} bytes`, { file });
  const bytes = readFileSync(file);
  const text = metadataText(bytes, file);
  // A writer that died may leave the file longer than what it wrote.
  return text.replace(/\0+$/, "");
}

/**
 * The text in the bytes of a metadata file.
 *
 * @param file named in errors
 */
export function metadataText(bytes: Uint8Array, file: string): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 4) throw new CtfError("the metadata is empty", { file });
  if (view.getUint32(0, true) === PACKET_MAGIC) return packetsText(bytes, view, true, file);
  if (view.getUint32(0, false) === PACKET_MAGIC) return packetsText(bytes, view, false, file);
  const text = new TextDecoder().decode(bytes);
  const version = /^\/\*\s*CTF\s+(\d+\.\d+)/.exec(text)?.[1];
  if (version === undefined) throw new CtfError('the metadata does not begin with "/* CTF 1.8"', { file });
  if (version !== "1.8") throw new CtfError(`CTF ${version} is not read, only CTF 1.8`, { file });
  return text;
}

function packetsText(bytes: Uint8Array, view: DataView, littleEndian: boolean, file: string): string {
  const parts: Uint8Array[] = [];
  let offset = 0;
  for (let packet = 0; offset + PACKET_HEADER <= bytes.length; packet += 1) {
    const place = { file, packet, offset };
    if (view.getUint32(offset, littleEndian) !== PACKET_MAGIC)
      throw new CtfError("no metadata packet", place);
    const content = Math.floor(view.getUint32(offset + 24, littleEndian) / 8);
    const size = Math.floor(view.getUint32(offset + 28, littleEndian) / 8);
    const [compression, encryption, checksum, major, minor] = bytes.subarray(
      offset + 32,
      offset + PACKET_HEADER,
    );
    if (compression !== 0 || encryption !== 0 || checksum !== 0) {
      throw new CtfError("compressed, encrypted or checked metadata is not read", place);
    }
    if (major !== 1 || minor !== 8)
      throw new CtfError(`CTF ${major}.${minor} is not read, only CTF 1.8`, place);
    if (content < PACKET_HEADER || size < content) {
      throw new CtfError(`a metadata packet of ${size} bytes with ${content} bytes of content`, place);
    }
    parts.push(bytes.subarray(offset + PACKET_HEADER, offset + content));
    offset += size;
  }
  return new TextDecoder().decode(Buffer.concat(parts));
}
