// What generated decoders call: bit fields that no single load can read, the end of a string, text, and the completion of
// truncated clock values. Passed to generated functions as `rt`, so names and signatures here are theirs.
//
// Buffers have at least SLACK zero bytes after their data: reads may go past its end, and a string always ends.

/** Zero bytes behind the data of every buffer that generated code reads. */
export const SLACK = 1024;

/** Reads a bit field of 1 to 53 bits at bit `at`, little-endian (bits count from a byte's lowest) or big-endian. */
export function bits(
  bytes: Uint8Array,
  at: number,
  size: number,
  littleEndian: boolean,
  signed: boolean,
): number {
  let value = 0;
  let done = 0;
  let byte = Math.floor(at / 8);
  let shift = at % 8;
  while (done < size) {
    const count = Math.min(8 - shift, size - done);
    const all = bytes[byte] ?? 0;
    const mask = (1 << count) - 1;
    if (littleEndian) value += ((all >>> shift) & mask) * 2 ** done;
    else value = value * 2 ** count + ((all >>> (8 - shift - count)) & mask);
    done += count;
    byte += 1;
    shift = 0;
  }
  return signed && value >= 2 ** (size - 1) ? value - 2 ** size : value;
}

/** As {@link bits}, for 54 to 64 bits. */
export function bigBits(
  bytes: Uint8Array,
  at: number,
  size: number,
  littleEndian: boolean,
  signed: boolean,
): bigint {
  const rest = size - 32;
  const first = BigInt(bits(bytes, at, 32, littleEndian, false));
  const second = BigInt(bits(bytes, at + 32, rest, littleEndian, false));
  const value = littleEndian ? first | (second << 32n) : (first << BigInt(rest)) | second;
  return signed ? BigInt.asIntN(size, value) : value;
}

/** Joins the halves of a 64-bit integer. */
export function join(low: number, high: number, signed: boolean): bigint {
  const value = (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
  return signed ? BigInt.asIntN(64, value) : value;
}

/** Index of the first zero byte at or after `at`. There is one: see the note on top. */
export function nul(view: DataView, at: number): number {
  for (;;) {
    const word = view.getInt32(at, true);
    // The highest bit of each byte that is the first zero, or comes after it: "Bit Twiddling Hacks", haszero.
    const zeros = (word - 0x01010101) & ~word & 0x80808080;
    if (zeros !== 0) return at + ((31 - Math.clz32(zeros & -zeros)) >>> 3);
    at += 4;
  }
}

/** Index of the first zero byte from `at` on, or `end`. */
export function nulBefore(bytes: Uint8Array, at: number, end: number): number {
  while (at < end && bytes[at] !== 0) at += 1;
  return at;
}

const decoder = new TextDecoder();

/** Longest text decoded byte by byte, which beats the call into the decoder. */
const SHORT_TEXT = 24;

/** Decodes UTF-8; wrong sequences become U+FFFD. */
export function text(bytes: Uint8Array, start: number, end: number): string {
  if (end - start > SHORT_TEXT) return decoder.decode(bytes.subarray(start, end));
  let result = "";
  for (let at = start; at < end; at += 1) {
    const code = bytes[at] ?? 0;
    if (code >= 0x80) return decoder.decode(bytes.subarray(start, end));
    result += String.fromCharCode(code);
  }
  return result;
}

const scratch = new DataView(new ArrayBuffer(8));

/** The float of 32 bits, or the double of 64, that an unaligned bit field holds. */
export function real(bytes: Uint8Array, at: number, size: 32 | 64, littleEndian: boolean): number {
  if (size === 32) {
    scratch.setUint32(0, bits(bytes, at, 32, littleEndian, false));
    return scratch.getFloat32(0);
  }
  scratch.setBigUint64(0, bigBits(bytes, at, 64, littleEndian, false));
  return scratch.getFloat64(0);
}

/**
 * The clock's value after a field of `size` bits with the value `field` was read: the field's bits replace the clock's
 * lowest, and the clock wrapped once if they are fewer than before (as babeltrace2 completes truncated timestamps).
 */
export function completeClock(clock: bigint, field: bigint, size: number): bigint {
  const mask = (1n << BigInt(size)) - 1n;
  return BigInt.asUintN(64, clock + ((field - clock) & mask));
}
