/** Numbers and times as people read them. */

/** A count with its thousands set apart. */
export function count(value: number): string {
  return value.toLocaleString("en-US");
}

/** A count with its noun. */
export function many(value: number, one: string): string {
  return `${count(value)} ${one}${value === 1 ? "" : "s"}`;
}

const UNITS = [
  [1e9, "s"],
  [1e6, "ms"],
  [1e3, "µs"],
  [1, "ns"],
] as const;

/** A duration with its unit and at most so many digits after the point. @param nanoseconds any */
export function duration(nanoseconds: number, digits = 3): string {
  const size = Math.abs(nanoseconds);
  const [scale, unit] = UNITS.find(([least]) => size >= least) ?? [1, "ns"];
  const value = nanoseconds / scale;
  return `${unit === "ns" ? Math.round(value) : trim(value.toFixed(digits))} ${unit}`;
}

/** A duration in three digits, for labels. */
export function shortDuration(nanoseconds: number): string {
  const size = Math.abs(nanoseconds);
  const [scale] = UNITS.find(([least]) => size >= least) ?? [1];
  const value = size / scale;
  return duration(nanoseconds, value >= 100 ? 0 : value >= 10 ? 1 : 2);
}

function trim(text: string): string {
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

/** A duration after the begin, to the nanosecond: `+0.001 234 567 s`. */
export function offset(nanoseconds: number): string {
  const whole = Math.floor(Math.abs(nanoseconds) / 1e9);
  const rest = String(Math.round(Math.abs(nanoseconds) - whole * 1e9)).padStart(9, "0");
  return `${nanoseconds < 0 ? "−" : "+"}${count(whole)}.${rest.replace(/(...)(?=.)/g, "$1 ")} s`;
}

/** The wall clock's time of a moment. @param base nanoseconds since the Unix epoch, to which `time` is added */
export function wallClock(base: bigint, time: number, utc: boolean): string {
  const whole = base + BigInt(Math.round(time));
  const at = new Date(Number(whole / 1_000_000n));
  const two = (value: number): string => String(value).padStart(2, "0");
  const [hours, minutes, seconds] = utc
    ? [at.getUTCHours(), at.getUTCMinutes(), at.getUTCSeconds()]
    : [at.getHours(), at.getMinutes(), at.getSeconds()];
  const rest = String(whole % 1_000_000_000n).padStart(9, "0");
  return `${two(hours)}:${two(minutes)}:${two(seconds)}.${rest}`;
}

/** The wall clock's date of a moment. */
export function wallDate(base: bigint, utc: boolean): string {
  const at = new Date(Number(base / 1_000_000n));
  return at.toLocaleDateString("en-CA", utc ? { timeZone: "UTC" } : {});
}

/** A number in few characters, for axes: `12.3 k`. */
export function shortNumber(value: number): string {
  const size = Math.abs(value);
  if (size >= 1e9) return `${trim((value / 1e9).toFixed(1))} G`;
  if (size >= 1e6) return `${trim((value / 1e6).toFixed(1))} M`;
  if (size >= 1e4) return `${trim((value / 1e3).toFixed(1))} k`;
  return trim(value.toFixed(Number.isInteger(value) ? 0 : 2));
}
