/**
 * Times requests with events on and off, in turn within one process: for a server of
 * bench/programs/server.ts under load. What differs between two processes, and from one
 * second to the next, is the same for both.
 */
import { readFileSync } from "node:fs";

import { readHeader } from "../../src/record/session-file.ts";
import { thread } from "../../src/record/thread.ts";
import { median } from "../support.ts";

/** Requests until it is decided anew whether events are on: half a millisecond. */
const RUN = 64;

let left = RUN;
let start = Bun.nanoseconds();
let on = true;
/** Nanoseconds a request, by runs, with events off and on. */
let times: [number[], number[]] = [[], []];
let consumed = consumerNs();

/** To be called once a request. */
export function turn(): void {
  if (--left > 0) return;
  times[on ? 1 : 0].push((Bun.nanoseconds() - start) / RUN);
  on = Math.random() < 0.5;
  // What `buntrace enable` and `disable` do from outside.
  thread.attached?.emitter.enabled.fill(on ? 1 : 0);
  left = RUN;
  start = Bun.nanoseconds();
}

/** Nanoseconds a request since it was asked last; the consumer's are a request's with events. */
export function switchedTimes(): { off: number; on: number; consumer: number } {
  const [off, traced] = times;
  const consumer = (consumerNs() - consumed) / (traced.length * RUN);
  consumed = consumerNs();
  times = [[], []];
  return { off: median(off), on: median(traced), consumer };
}

/** Processor time of the consumer so far. */
function consumerNs(): number {
  const { session } = thread as { session?: { header: Buffer } };
  if (session === undefined) return 0;
  const { consumerPid } = readHeader(session.header);
  return consumerPid === 0 ? 0 : Number(readFileSync(`/proc/${consumerPid}/schedstat`, "utf8").split(" ")[0]);
}
