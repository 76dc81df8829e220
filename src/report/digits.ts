// Numbers as text, straight into bytes, in the forms of C's printf that babeltrace2 uses. Called by generated code with
// the output's bytes `o`, their view `w` and the place `q`; each function returns the place after what it wrote.

/** Four digits each, in the order they are written: the bytes of 0000 to 9999. */
const FOUR_DIGITS = new Uint32Array(10_000);
for (let value = 0; value < 10_000; value += 1) {
  const digits = String(value).padStart(4, "0");
  FOUR_DIGITS[value] = [3, 2, 1, 0].reduce((word, at) => word * 256 + digits.charCodeAt(at), 0);
}

/** Four digits of 0 to 9999. */
export function fourDigits(w: DataView, q: number, value: number): number {
  w.setUint32(q, FOUR_DIGITS[value] ?? 0, true);
  return q + 4;
}

/**
 * The quotient of an integer of up to nine digits and a power of ten whose inverse is given. Multiplying is faster than
 * dividing, and the half keeps exact multiples from falling below themselves.
 */
function quotient(value: number, inverse: number): number {
  return ((value + 0.5) * inverse) | 0;
}

/** Nine digits of 0 to 999 999 999: nanoseconds. */
export function nineDigits(o: Uint8Array, w: DataView, q: number, value: number): number {
  const high = quotient(value, 1e-4);
  const first = quotient(high, 1e-4);
  o[q] = 48 + first;
  fourDigits(w, q + 1, high - first * 10_000);
  return fourDigits(w, q + 5, value - high * 10_000);
}

/** An integer from 0 to 9999, without leading zeros. */
function small(w: DataView, q: number, value: number): number {
  const count = value < 100 ? (value < 10 ? 1 : 2) : value < 1000 ? 3 : 4;
  w.setUint32(q, (FOUR_DIGITS[value] ?? 0) >>> (32 - count * 8), true);
  return q + count;
}

/** An integer of up to 2^53, with its sign. */
export function integer(w: DataView, q: number, value: number): number {
  if (value < 0) {
    w.setUint8(q, 45);
    return integer(w, q + 1, -value);
  }
  if (value < 10_000) return small(w, q, value);
  if (value < 100_000_000) {
    const high = quotient(value, 1e-4);
    return fourDigits(w, small(w, q, high), value - high * 10_000);
  }
  const high = Math.floor(value / 100_000_000);
  const rest = value - high * 100_000_000;
  const middle = Math.floor(rest / 10_000);
  return fourDigits(w, fourDigits(w, integer(w, q, high), middle), rest - middle * 10_000);
}

/** A 64-bit integer in halves, unsigned each. */
export function halves(
  o: Uint8Array,
  w: DataView,
  q: number,
  low: number,
  high: number,
  signed: boolean,
): number {
  // Below 2^53 on both sides of zero.
  if (high < 0x20_0000) return integer(w, q, high * 4_294_967_296 + low);
  const value = (BigInt(high) << 32n) | BigInt(low);
  return ascii(o, q, String(signed ? BigInt.asIntN(64, value) : value));
}

/** Text of ASCII characters. */
export function ascii(o: Uint8Array, q: number, text: string): number {
  for (let at = 0; at < text.length; at += 1) o[q + at] = text.charCodeAt(at);
  return q + text.length;
}

/** An integer as babeltrace2 shows it in another base than ten: `0x1F`, `017`, `0b0101`. */
export function inBase(value: number | bigint, base: 2 | 8 | 16, size: number, signed: boolean): string {
  if (base === 2) return `0b${BigInt.asUintN(size, BigInt(value)).toString(2).padStart(size, "0")}`;
  // Negative numbers are cut at the next whole digit above their size.
  const digit = base === 16 ? 4 : 3;
  const cut = base === 16 || signed ? Math.min(64, Math.ceil(size / digit) * digit) : 64;
  const digits = BigInt.asUintN(cut, BigInt(value)).toString(base);
  return base === 16 ? `0x${digits.toUpperCase()}` : `0${digits}`;
}

/** Powers of ten that doubles hold exactly, as far as they are needed. */
const POWERS = Float64Array.from({ length: 10 }, (_none, exponent) => 10 ** exponent);

/** How near to the middle between two roundings a scaled value may be, to be rounded in doubles. */
const SURE = 1e-6;

/** A number as printf's `%g` writes it: six significant digits. */
export function real(o: Uint8Array, w: DataView, q: number, value: number): number {
  const size = Math.abs(value);
  // The everyday range, without strings; the rest, and what is hard to round, goes through them.
  if (!(size >= 1e-4 && size < 999_999)) return ascii(o, q, general(value));
  let exponent = -4;
  while (
    exponent < 5 &&
    size >= (exponent < -1 ? 1 / (POWERS[-exponent - 1] ?? 1) : (POWERS[exponent + 1] ?? 1))
  )
    exponent += 1;
  const scaled = size * (POWERS[5 - exponent] ?? 1);
  let digits = Math.floor(scaled);
  const rest = scaled - digits;
  if (Math.abs(rest - 0.5) < SURE || digits < 100_000 || digits > 999_998) return ascii(o, q, general(value));
  if (rest > 0.5) digits += 1;
  if (value < 0) o[q++] = 45;
  const whole = exponent < 0 ? 0 : Math.floor(digits / (POWERS[5 - exponent] ?? 1));
  let fraction = digits - whole * (POWERS[5 - exponent] ?? 1);
  q = integer(w, q, whole);
  if (fraction === 0) return q;
  let places = 5 - exponent;
  while (fraction % 10 === 0) {
    fraction /= 10;
    places -= 1;
  }
  o[q] = 46;
  for (let at = q + places; at > q; at -= 1) {
    const next = Math.floor(fraction / 10);
    o[at] = 48 + fraction - next * 10;
    fraction = next;
  }
  return q + places + 1;
}

/** As {@link real}, as a string. */
export function general(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "nan" : value < 0 ? "-inf" : "inf";
  if (Number.isInteger(value) && Math.abs(value) < 1_000_000)
    return Object.is(value, -0) ? "-0" : String(value);
  const [mantissa = "", exponentText = ""] = sixDigits(value).split("e");
  const exponent = Number(exponentText);
  if (exponent < -4 || exponent >= 6) {
    const sign = exponent < 0 ? "-" : "+";
    return `${withoutZeros(mantissa)}e${sign}${String(Math.abs(exponent)).padStart(2, "0")}`;
  }
  return withoutZeros(Number(`${mantissa}e${exponent}`).toFixed(5 - exponent));
}

/** Like toExponential(5), which rounds a value in the middle up, but to the even digit, as C does. */
function sixDigits(value: number): string {
  const text = value.toExponential(5);
  const seven = value.toExponential(6);
  const [mantissa = "", exponentText = ""] = seven.split("e");
  if (!mantissa.endsWith("5") || !isExactly(value, mantissa, Number(exponentText))) return text;
  return Number(mantissa.at(-2)) % 2 === 0 ? `${mantissa.slice(0, -1)}e${exponentText}` : text;
}

/** Whether the seven digits are all the digits that the value has. */
function isExactly(value: number, mantissa: string, exponent: number): boolean {
  const decimals = 6 - exponent;
  // A value has as many decimals as binary places.
  if (decimals >= 0) return Number.isInteger(value * 2 ** decimals);
  const digits = BigInt(mantissa.replace(".", "")) * 10n ** BigInt(-decimals);
  return Number.isInteger(value) && BigInt(value) === digits;
}

function withoutZeros(text: string): string {
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}
