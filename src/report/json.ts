// Values of traces as JSON. Called by the commands with --json, and where fields are shown as text.

/** Integers that a double cannot hold are strings of their digits; so are NaN and the infinities. */
export function jsonValue(_key: string, value: unknown): unknown {
  if (typeof value === "bigint") {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : String(value);
  }
  return typeof value === "number" && !Number.isFinite(value) ? String(value) : value;
}
