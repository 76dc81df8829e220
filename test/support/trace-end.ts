/**
 * The end of a recorded trace as the reader says it: for tests of what is made of
 * spans that run until then. Whether it is right is test/record/complete-until.test.ts.
 */
import { completeUntil } from "../../src/ctf/trace-end.ts";
import { openTraces } from "../../src/ctf/index.ts";

/** Nanoseconds since 1970. @throws Error when the trace does not tell */
export function traceEnd(directory: string): bigint {
  const set = openTraces(directory);
  const end = set.traces[0] && completeUntil(set.traces[0].traceClass);
  set.close();
  if (end === undefined) throw new Error(`${directory} does not tell how far it goes`);
  return end;
}
