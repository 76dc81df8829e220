// What can be wrong with a trace, as the reader says it: an error ends the reading, a problem is noted and the reading
// goes on with the next packet or stream. Used by every module of src/ctf.
import { UserError } from "../errors.ts";

/** Where in a trace something is wrong. */
export interface TracePlace {
  /** Path of the file. */
  readonly file: string;
  /** Line of the metadata text, from 1. */
  readonly line?: number | undefined;
  /** Byte offset in the file, from 0. */
  readonly offset?: number | undefined;
  /** Number of the packet in its file, from 0. */
  readonly packet?: number | undefined;
}

/** A trace, or a part of it, that cannot be read. The message names the place. */
export class CtfError extends UserError {
  override name = "CtfError";

  readonly place: TracePlace;

  constructor(message: string, place: TracePlace) {
    super(`${placeText(place)}: ${message}`);
    this.place = place;
  }
}

/**
 * Something that was wrong in the data, and passed over. `torn`: the data ends in the middle, as it does when a machine
 * or a process died while writing; everything up to the tear was read. `corrupt`: bytes that no CTF writer leaves
 * there; the rest of the packet, or of the stream when the next packet cannot be found, was not read.
 */
export interface Problem {
  readonly kind: "torn" | "corrupt";
  /** One line, naming the place. */
  readonly message: string;
  readonly place: TracePlace;
}

/** Makes a {@link Problem} whose message names its place. */
export function problem(kind: Problem["kind"], message: string, place: TracePlace): Problem {
  return { kind, message: `${placeText(place)}: ${message}`, place };
}

function placeText(place: TracePlace): string {
  const parts = [place.file];
  if (place.line !== undefined) parts.push(`line ${place.line}`);
  if (place.packet !== undefined) parts.push(`packet ${place.packet}`);
  if (place.offset !== undefined) parts.push(`offset ${place.offset}`);
  return parts.join(", ");
}
