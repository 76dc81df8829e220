/**
 * The last line of `buntrace record`: what was recorded, where, and which option
 * helps when something was lost. Called in the command's process.
 */
import { relative } from "node:path";

import type { Totals, Unfinished } from "../commands/recorded-sessions.ts";
import { bytesText, countText, many } from "./number-text.ts";

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
    parts.push(
      "events came faster than they were written: try more --sub-buffers, or " +
        (asked.mode === "block" ? "a longer --block-timeout" : "--mode block"),
    );
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
