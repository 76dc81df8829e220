// Times of events as text, and times that users write. Wall clock times are the local zone's unless UTC is asked for.
import { UserError, EXIT_USAGE } from "../errors.ts";
import { ascii, integer, nineDigits } from "./digits.ts";
import { type Output, Prepared } from "./output.ts";
import type { Palette } from "./style.ts";

/** How to show times: `absolute` is the wall clock, `epoch` seconds since 1970, `relative` seconds since the begin. */
export interface TimeFormat {
  readonly kind: "absolute" | "epoch" | "relative" | "delta";
  /** Whether the wall clock's date is shown too. */
  readonly date: boolean;
  readonly utc: boolean;
}

const NS = 1_000_000_000;
const NS_BIG = 1_000_000_000n;
const EXACT = BigInt(Number.MAX_SAFE_INTEGER);

/** Writes `[time] (+delta) `, as babeltrace2 does, and remembers the time for the next delta. */
export class TimeText {
  readonly #format: TimeFormat;
  readonly #open: string;
  readonly #before: Prepared;
  readonly #after: Prepared;
  /** What is between a time and a delta of less than a second. */
  readonly #between: Prepared;
  #base: bigint | undefined;
  #baseSeconds = 0;
  #baseRest = 0;
  /** Nanoseconds from the base's second to the one whose text, with what is before it, is in {@link #secondText}. */
  #secondStart = NaN;
  #secondText = Prepared.of("");
  #last: { base: bigint; time: number } | undefined;
  #first: bigint | undefined;

  /** @param begin the trace's begin, nanoseconds since the Unix epoch; without one, the first time written counts */
  constructor(format: TimeFormat, begin: bigint | undefined, { time }: Palette) {
    this.#format = format;
    this.#first = begin;
    this.#open = `[${time.open}`;
    this.#before = Prepared.of(this.#open);
    this.#after = Prepared.of(`${time.close}] `);
    this.#between = Prepared.of(`${time.close}] (+0.`);
  }

  /** Writes a time; the output must have room. `time` is nanoseconds after `base`, an integer. */
  write(out: Output, base: bigint, time: number): void {
    if (base !== this.#base) this.#setBase(base);
    const { kind } = this.#format;
    if (kind === "relative") {
      out.at = this.#before.put(out.view, out.at);
      this.#writeDifference(out, base, time, this.#first ?? (this.#first = base + BigInt(time)));
      out.at = this.#after.put(out.view, out.at);
      return;
    }
    if (kind === "delta") {
      this.#writeDelta(out, base, time);
      return;
    }
    this.#writeWall(out, time);
    const last = this.#last;
    const delta = last !== undefined && last.base === base ? time - last.time : NaN;
    if (last !== undefined && delta >= 0 && delta < NS) {
      const { bytes, view } = out;
      const at = nineDigits(bytes, view, this.#between.put(view, out.at), delta);
      bytes[at] = 41;
      bytes[at + 1] = 32;
      out.at = at + 2;
      last.time = time;
      return;
    }
    out.at = this.#after.put(out.view, out.at);
    this.#writeDelta(out, base, time);
  }

  #setBase(base: bigint): void {
    const rest = base % NS_BIG;
    this.#base = base;
    this.#baseRest = Number(rest);
    this.#baseSeconds = Number((base - rest) / NS_BIG);
    this.#secondStart = NaN;
  }

  #writeWall(out: Output, time: number): void {
    const total = this.#baseRest + time;
    let rest = total - this.#secondStart;
    if (!(rest >= 0 && rest < NS)) {
      if (!this.#setSecond(total)) {
        this.#writeNegative(out, total);
        return;
      }
      rest = total - this.#secondStart;
    }
    out.at = nineDigits(out.bytes, out.view, this.#secondText.put(out.view, out.at), rest);
  }

  /** Makes the text of the second that a time is in; returns whether it has a wall clock, which begins in 1970. */
  #setSecond(total: number): boolean {
    const start = Math.floor(total / NS) * NS;
    const second = start / NS + this.#baseSeconds;
    if (second < 0) return false;
    this.#secondStart = start;
    this.#secondText = Prepared.of(`${this.#open}${this.#wallSecond(second)}`);
    return true;
  }

  /** A time before 1970, as seconds; the fraction counts the other way. */
  #writeNegative(out: Output, total: number): void {
    const time = BigInt(this.#baseSeconds) * NS_BIG + BigInt(total);
    out.at = this.#before.put(out.view, out.at);
    out.at = ascii(out.bytes, out.at, epochText(time));
  }

  #wallSecond(second: number): string {
    const { kind, date, utc } = this.#format;
    if (kind === "epoch") return `${second}.`;
    return `${wallClock(second, date, utc)}.`;
  }

  #writeDelta(out: Output, base: bigint, time: number): void {
    const last = this.#last;
    out.bytes[out.at] = 40;
    out.at += 1;
    if (last === undefined) {
      out.at = ascii(out.bytes, out.at, "+?.?????????");
      this.#last = { base, time };
    } else {
      if (last.base === base) this.#writeSeconds(out, time - last.time);
      else this.#writeDifference(out, base, time, last.base + BigInt(last.time));
      last.base = base;
      last.time = time;
    }
    out.bytes[out.at] = 41;
    out.bytes[out.at + 1] = 32;
    out.at += 2;
  }

  /** Of times with two bases, which a double might not hold. */
  #writeDifference(out: Output, base: bigint, time: number, from: bigint): void {
    const difference = base + BigInt(time) - from;
    const size = difference < 0n ? -difference : difference;
    if (size < EXACT) this.#writeSeconds(out, Number(difference));
    else out.at = ascii(out.bytes, out.at, `${difference < 0n ? "" : "+"}${epochText(difference)}`);
  }

  #writeSeconds(out: Output, nanoseconds: number): void {
    const size = Math.abs(nanoseconds);
    const seconds = size < NS ? 0 : Math.floor(size / NS);
    const { bytes, view } = out;
    bytes[out.at] = nanoseconds < 0 ? 45 : 43;
    out.at = integer(view, out.at + 1, seconds);
    bytes[out.at] = 46;
    out.at = nineDigits(bytes, view, out.at + 1, size - seconds * NS);
  }
}

function wallClock(second: number, date: boolean, utc: boolean): string {
  const at = new Date(second * 1000);
  const two = (value: number): string => String(value).padStart(2, "0");
  const [year, month, day] = utc
    ? [at.getUTCFullYear(), at.getUTCMonth(), at.getUTCDate()]
    : [at.getFullYear(), at.getMonth(), at.getDate()];
  const [hours, minutes, seconds] = utc
    ? [at.getUTCHours(), at.getUTCMinutes(), at.getUTCSeconds()]
    : [at.getHours(), at.getMinutes(), at.getSeconds()];
  const clock = `${two(hours)}:${two(minutes)}:${two(seconds)}`;
  return date ? `${year}-${two(month + 1)}-${two(day)} ${clock}` : clock;
}

/** A time as `seconds.nanoseconds` since the Unix epoch. */
export function epochText(time: bigint): string {
  const size = time < 0n ? -time : time;
  return `${time < 0n ? "-" : ""}${size / NS_BIG}.${String(size % NS_BIG).padStart(9, "0")}`;
}

/** A time as the wall clock shows it, with nanoseconds. */
export function wallText(time: bigint, date: boolean, utc: boolean): string {
  if (time < 0n) return epochText(time);
  return `${wallClock(Number(time / NS_BIG), date, utc)}.${String(time % NS_BIG).padStart(9, "0")}`;
}

const UNITS: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1000n,
  ms: 1_000_000n,
  s: NS_BIG,
  m: 60n * NS_BIG,
};

/**
 * Nanoseconds since the Unix epoch of a time that a user wrote: `+1.5s` (or ms, us, ns, m) after the trace's begin,
 * `hh:mm:ss[.n]` on the day of the begin, `YYYY-MM-DD hh:mm:ss[.n]`, or seconds since the epoch `1700000000[.n]`.
 *
 * @param option the option's name, for the error
 * @throws UserError when it is none of these
 */
export function parseTime(text: string, begin: bigint, utc: boolean, option: string): bigint {
  const relative = /^\+(\d+)(?:\.(\d+))?(ns|us|ms|s|m)$/.exec(text);
  if (relative !== null) {
    const [, whole = "0", fraction = "", unit = "s"] = relative;
    const scale = UNITS[unit] ?? NS_BIG;
    return begin + BigInt(whole) * scale + (BigInt(fraction || "0") * scale) / 10n ** BigInt(fraction.length);
  }
  const epoch = /^(\d{9,})(?:\.(\d{1,9}))?$/.exec(text);
  if (epoch !== null) return BigInt(epoch[1] ?? "0") * NS_BIG + fractionOf(epoch[2]);
  const wall = /^(?:(\d{4}-\d{2}-\d{2})[T ])?(\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?$/.exec(text);
  if (wall !== null) {
    const [, date, hours, minutes, seconds, fraction] = wall;
    const day = date ?? wallClock(Number(begin / NS_BIG), true, utc).slice(0, 10);
    const milliseconds = Date.parse(`${day}T${hours}:${minutes}:${seconds}${utc ? "Z" : ""}`);
    // The 30th of February would be the 2nd of March.
    const isDay = new Date(Date.parse(`${day}T00:00Z`)).getUTCDate() === Number(day.slice(8));
    if (isDay && !Number.isNaN(milliseconds)) return BigInt(milliseconds) * 1_000_000n + fractionOf(fraction);
  }
  const forms = "+1.5s, hh:mm:ss, YYYY-MM-DD hh:mm:ss or seconds since 1970";
  throw new UserError(`${option} ${text}: not a time; write ${forms}`, EXIT_USAGE);
}

function fractionOf(digits: string | undefined): bigint {
  return BigInt((digits ?? "").padEnd(9, "0"));
}
