/**
 * The last line of `buntrace record`: what was recorded, where, and which option
 * helps when something was lost. Called in the command's process.
 */
import { dirname, relative } from "node:path";

import type { BrokenSession, Totals, Unfinished } from "../commands/recorded-sessions.ts";
import { parseRules } from "../record/glob.ts";
import { defaultSessionDir } from "../record/settings.ts";
import type { SessionEvent } from "../record/switch.ts";
import { bytesText, countText, many } from "./number-text.ts";

/** What the recorder was asked for, as far as the line tells of it. */
export interface Asked {
  /** An absolute path or "null". */
  readonly output: string;
  readonly mode?: string;
  readonly maxSize?: number;
  readonly maxChunks?: number;
  /** Globs of the event types to record. */
  readonly enable?: readonly string[];
}

/** Providers that the line names. */
const MAX_PROVIDERS = 8;

/**
 * The line, without its newline.
 *
 * @param types reads the event types of the programs
 * @param signal that ended the program which was started
 */
export function closingLine(
  totals: Totals,
  asked: Asked,
  unfinished: Unfinished,
  types: () => readonly SessionEvent[],
  signal: string | undefined,
): string {
  const { output } = asked;
  const overwriting = asked.mode === "overwrite";
  if (totals.programs === 0)
    return "buntrace: nothing was recorded: the program is no Bun program, or a line above says why";
  const path = output === "null" ? "nowhere (--output null)" : shortPath(output);
  const parts = [
    `buntrace: ${many(totals.events, "event")}, ${bytesText(totals.bytes)}, ${many(totals.streams, "stream")}, ` +
      `${countText(totals.lost)} lost${overwriting ? " or overwritten" : ""} -> ${path}`,
  ];
  if (signal !== undefined) parts.push(`the program was killed by ${signal}`);
  if (totals.events === 0) parts.push(...unmatchedText(asked.enable ?? [], types()));
  if (totals.ringless > 0) parts.push("threads found no memory for a ring: try smaller --sub-buffer-size");
  else if (totals.lost > totals.dropped && !overwriting && !unfinished.broken.some(({ why }) => why !== ""))
    parts.push(
      "events came faster than they were written: try more --sub-buffers, or " +
        (asked.mode === "block" ? "a longer --block-timeout" : "--mode block"),
    );
  if (totals.dropped > 0) parts.push(droppedText(totals.dropped, asked));
  if (totals.altered > 0) parts.push(`${many(totals.altered, "value")} cut or not convertible`);
  if (unfinished.running > 0)
    parts.push(`${many(unfinished.running, "program")} still running, still recorded`);
  parts.push(...unfinished.broken.map(brokenText));
  return parts.join("; ");
}

/** That the globs match no event type, if so; none without globs. */
function unmatchedText(enable: readonly string[], types: readonly SessionEvent[]): string[] {
  const matches = parseRules(enable);
  if (types.some(({ name, level }) => matches(name, level))) return [];
  if (enable.length === 0) return [];
  const globs = enable.map((glob) => `-e '${glob}'`).join(" ");
  const has = [...new Set(types.map(({ name }) => name.replace(/:.*/s, ":*")))].sort();
  const some = has.slice(0, MAX_PROVIDERS).join(", ");
  return [
    `no event type of the program matches ${globs}: ` +
      (has.length === 0 ? "it has none" : `it has ${some}${has.length > MAX_PROVIDERS ? " and others" : ""}`),
  ];
}

/** What could not be written, why, and how to get it: once the cause is gone. */
function brokenText({ path, pid, kept, why }: BrokenSession): string {
  const command =
    dirname(path) === defaultSessionDir() ? "" : ` --session-dir ${Bun.$.escape(shortPath(dirname(path)))}`;
  return `${many(kept, "event")} could not be written${why}; buntrace recover ${pid}${command} writes them when they can be`;
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
