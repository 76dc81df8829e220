// What a scan and its callers share in memory: where its state, the times, classes and places of the events found lie in a
// block of an arena. Written by stream.ts before a scan and by the scan's code (scan-code.ts), read by stream.ts after it.
import type { StreamDecoder } from "./decoder.ts";

/** Events that one scan finds at most; fewer when the data ends before. */
export const BATCH_EVENTS = 4096;

const TIMES = 128;
const CLASSES = TIMES + BATCH_EVENTS * 8;
const STARTS = CLASSES + BATCH_EVENTS * 4;
const STORED = STARTS + BATCH_EVENTS * 4;

/** What a scan reads and what it leaves: places in a block of an arena. 32-bit integers if not said otherwise. */
export const STATE = {
  /** Address of the data. */
  base: 0,
  /** Where the first event starts, then, where the next one does; where the data ends. Units after the base. */
  position: 4,
  limit: 8,
  /** Events found. */
  count: 12,
  /** One of {@link SCAN_STOP}. */
  stop: 16,
  /** The class whose function is to be made. */
  newClass: 20,
  /** The id that is not known: 64 bits. */
  unknownId: 24,
  /** The clock's value, and its value in the event that stopped the scan: 64 bits. */
  clock: 32,
  stopClock: 40,
  /** What makes nanoseconds after the base of the clock's value: 64 bits and two doubles, see time.ts. */
  timeDifference: 48,
  timeMain: 56,
  timeRest: 64,
  /** For each event: nanoseconds after the base, a double; index of the class; position of the body. */
  times: TIMES,
  classes: CLASSES,
  starts: STARTS,
  /** Fields of the packet's head that events need, 64 bits each: see StreamDecoder.storedFields. */
  stored: STORED,
} as const;

/** Why a scan stopped before the limit of its data. */
export const SCAN_STOP = {
  /** It did not: the data, or the batch's room, is used up. */
  none: 0,
  /** An event goes on after the limit. */
  overrun: 1,
  /** An event's id is not in the metadata. */
  unknownEvent: 2,
  /** A variant's tag chooses nothing. */
  badTag: 3,
  /** An event has more elements without data than any tracer writes. */
  endless: 4,
  /** An event's time is too far from the base: it needs another. */
  farTime: 5,
  /** An event has no size, so there would be no end of them. */
  noSize: 6,
  /** The first event of a class whose function is not made yet. */
  newClass: 7,
  /** An array has more elements than there is room for. */
  room: 8,
} as const;

/** Bytes of a block for a scan's state. */
export function stateSize(decoder: StreamDecoder): number {
  return STORED + decoder.storedFields.length * 8;
}
