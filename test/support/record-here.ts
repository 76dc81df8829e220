/**
 * Records what a test itself emits: a session in the test process, closed at the
 * end and read with babeltrace2. For the API's behaviour; how programs end is
 * tested with programs.
 */
import { openSession, type Session, type SessionOptions } from "../../src/index.ts";
import { readReport, type TraceEvent } from "./babeltrace.ts";
import { Place } from "./place.ts";

/** What came of it. */
export interface Recorded<T> {
  readonly result: T;
  readonly events: readonly TraceEvent[];
  /** As babeltrace2 reports it. */
  readonly discarded: number;
  /** Values that were cut or could not be converted. */
  readonly altered: number;
}

/** Records what `work` emits in the providers `test` and `buntrace`. */
export async function recordHere<T>(
  work: (session: Session, place: Place) => T | Promise<T>,
  options: SessionOptions = {},
): Promise<Recorded<T>> {
  await using place = new Place();
  const session = await openSession({
    output: place.output,
    sessionDir: place.sessionDir,
    enable: ["test:*", "buntrace:*"],
    ...options,
  });
  let result: T;
  let altered: number;
  try {
    result = await work(session, place);
    altered = session.info()?.alteredValues ?? -1;
  } finally {
    await session.close();
  }
  await place.recorded();
  const { events, discarded } = await readReport(place.output);
  return { result, events, discarded, altered };
}
