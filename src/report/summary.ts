/**
 * The last line of `buntrace record`: what was recorded, where, and which option
 * helps when something was lost. Called in the command's process.
 */
import { relative } from "node:path";

import type { Totals, Unfinished } from "../commands/recorded-sessions.ts";

/** Bytes for people: 12.3 MB. */
export function bytesText(bytes: number): string {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = 0;
  for (; value >= 1000 && unit < units.length - 1; unit++) value /= 1000;
  return `${unit === 0 ? value : value.toFixed(value < 10 ? 2 : 1)} ${units[unit]}`;
}

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

/** What the recorder was asked for, as far as the line tells of it. */
export interface Asked {
  /** An absolute path or "null". */
  readonly output: string;
  readonly mode?: string;
  readonly maxSize?: number;
  readonly maxChunks?: number;
}

/** The line, without its newline. */
export function closingLine(totals: Totals, asked: Asked, unfinished: Unfinished): string {
  const { output } = asked;
  const overwriting = asked.mode === "overwrite";
  if (totals.programs === 0)
    return "buntrace: nothing was recorded: the program loaded no preload (is it a Bun program?)";
  const path = output === "null" ? "nowhere (--output null)" : shortPath(output);
  const parts = [
    `buntrace: ${many(totals.events, "event")}, ${bytesText(totals.bytes)}, ${many(totals.streams, "stream")}, ` +
      `${countText(totals.lost)} lost${overwriting ? " or overwritten" : ""} -> ${path}`,
  ];
  if (totals.ringless > 0) parts.push("threads found no memory for a ring: try smaller --sub-buffer-size");
  else if (totals.lost > totals.dropped && !overwriting)
    parts.push("events came faster than they were written: try more --sub-buffers, or --mode block");
  if (totals.dropped > 0) parts.push(droppedText(totals.dropped, asked));
  if (totals.altered > 0) parts.push(`${many(totals.altered, "value")} cut or not convertible`);
  if (unfinished.running > 0)
    parts.push(`${many(unfinished.running, "program")} still running, still recorded`);
  if (unfinished.broken.length > 0)
    parts.push(`not all could be written; it is kept in ${unfinished.broken.join(", ")}`);
  return parts.join("; ");
}

function droppedText(dropped: number, { maxSize, maxChunks }: Asked): string {
  const why =
    maxSize !== undefined
      ? "beyond the limit: try a larger --max-size"
      : maxChunks !== undefined
        ? "with the oldest chunks: try more --max-chunks"
        : "with a directory that was removed";
  return `${many(dropped, "event")} dropped ${why}`;
}

function shortPath(path: string): string {
  const short = relative(process.cwd(), path);
  return short.startsWith("..") || short === "" ? path : `./${short}`;
}
