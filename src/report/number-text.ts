// Counts, sizes and durations as people read them: the one way to write them, in the commands' text and on the page. Imports
// nothing, since the page's bundle has it too.

/** A count for people: 1,234,567. */
export function countText(count: number | bigint): string {
  return count.toLocaleString("en-US");
}

/** A number that need not be whole, for people: three digits at least, 1,234.5 as 1,235; nothing for none. */
export function numberText(value: number): string {
  if (Number.isNaN(value)) return "";
  return Math.abs(value) >= 100 ? countText(Math.round(value)) : String(Number(value.toPrecision(3)));
}

/** A count with its noun. */
export function many(count: number | bigint, one: string, several = `${one}s`): string {
  return `${countText(count)} ${Number(count) === 1 ? one : several}`;
}

/** Bytes for people: 12.3 MB. */
export function bytesText(bytes: number): string {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = 0;
  for (; value >= 1000 && unit < units.length - 1; unit++) value /= 1000;
  return `${unit === 0 ? value : value.toFixed(value < 10 ? 2 : 1)} ${units[unit]}`;
}

/** A duration as a number of three to six digits and its unit: `1.234 ms`. */
export function durationText(nanoseconds: number): string {
  const size = Math.abs(nanoseconds);
  if (size < 1000) return `${Math.round(nanoseconds * 10) / 10} ns`;
  if (size < 1e6) return `${(nanoseconds / 1e3).toFixed(3)} us`;
  if (size < 1e9) return `${(nanoseconds / 1e6).toFixed(3)} ms`;
  return `${(nanoseconds / 1e9).toFixed(3)} s`;
}

/** A duration for tables: three significant digits and its unit, `1.23 ms`; nothing for none. */
export function shortDurationText(nanoseconds: number): string {
  if (Number.isNaN(nanoseconds)) return "";
  const size = Math.abs(nanoseconds);
  // Rounded first, so that 999.96 us is 1.00 ms.
  const rounded = size === 0 ? 0 : Number(size.toPrecision(3));
  const [unit, scale] =
    rounded < 1e3 ? ["ns", 1] : rounded < 1e6 ? ["us", 1e3] : rounded < 1e9 ? ["ms", 1e6] : ["s", 1e9];
  const value = Number(nanoseconds.toPrecision(3)) / Number(scale);
  if (unit === "ns") return `${Number.isInteger(nanoseconds) ? nanoseconds : value} ns`;
  return `${Math.abs(value) < 1000 ? value.toPrecision(3) : Math.round(nanoseconds / 1e9)} ${unit}`;
}
