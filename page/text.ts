/** Times and numbers as the page alone shows them; the others are those of the commands' text, src/report/number-text.ts. */
import type { LossHeader } from "../src/open/format.ts";
import { countText, many } from "../src/report/number-text.ts";

/** A duration after the begin, to the nanosecond: `+0.001 234 567 s`. */
export function offset(nanoseconds: number): string {
  const whole = Math.floor(Math.abs(nanoseconds) / 1e9);
  const rest = String(Math.round(Math.abs(nanoseconds) - whole * 1e9)).padStart(9, "0");
  return `${nanoseconds < 0 ? "−" : "+"}${countText(whole)}.${rest.replace(/(...)(?=.)/g, "$1 ")} s`;
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

function trim(text: string): string {
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

/** What was lost, in words; nothing when nothing was. */
export function lostText(losses: readonly LossHeader[]): string {
  const sum = (wanted: LossHeader["kind"]): number =>
    losses.reduce((all, { kind, count }) => all + (kind === wanted ? (count ?? 0) : 0), 0);
  const [events, packets] = [sum("events"), sum("packets")];
  return [
    events > 0 ? `${many(events, "event")} lost` : "",
    losses.some(({ kind, count }) => kind === "events" && count === null)
      ? "events lost before the first packet"
      : "",
    packets > 0 ? `${many(packets, "packet")} lost` : "",
  ]
    .filter((part) => part !== "")
    .join(", ");
}
