// Lost events and packets, and damage in the data, as words. Shared by all commands that read traces.
import type { Problem } from "../ctf/errors.ts";
import type { Loss, Stream } from "../ctf/stream.ts";
import { basename } from "node:path";

/** The name of a stream: its first file's. */
export function streamName({ firstPackets }: Stream): string {
  const [packet] = firstPackets;
  return packet === undefined ? "?" : basename(packet.file.path);
}

/**
 * A sentence on a loss.
 *
 * @param time how to write a time
 */
export function lossText(
  { kind, count, from, to }: Loss,
  stream: Stream,
  time: (value: bigint) => string,
): string {
  const singular = kind.slice(0, -1);
  const what =
    count === undefined
      ? `some ${kind} may have been`
      : `${count} ${count === 1n ? `${singular} was` : `${kind} were`}`;
  const verb = kind === "events" ? "discarded" : "lost";
  const when = from === undefined || to === undefined ? "" : ` between [${time(from)}] and [${time(to)}]`;
  return `${what} ${verb}${when} in stream ${streamName(stream)}`;
}

/** A loss in two or three words: `12 events discarded`. */
export function lossName({ kind, count }: Loss): string {
  const noun = count === 1n ? kind.slice(0, -1) : kind;
  return `${count ?? "some"} ${noun} ${kind === "events" ? "discarded" : "lost"}`;
}

/** The status that a command ends with after these problems: damage is an error, the end of a cut trace is not. */
export function exitStatusOf(problems: readonly Problem[]): number {
  return problems.some(({ kind }) => kind === "corrupt") ? 1 : 0;
}
