/**
 * Survives its errors by its own handlers and goes on for longer than the rings hold:
 * `survives-errors.ts ERRORS EVENTS`. EVENTS numbered events come before each error and
 * after the last one. Opens a session of its own where SNAPSHOTS says what is asked for.
 */
import { openSession, provider } from "../../../src/index.ts";

const [errors, count] = process.argv.slice(2).map(Number);
const tick = provider("test").tracepoint("tick", [["n", "u32"]]);
const session = process.env["SNAPSHOTS"];

process.on("unhandledRejection", (reason) => handled("rejection", reason));
process.on("uncaughtException", (error, origin) => handled(origin, error));
if (session !== undefined) await openSession(JSON.parse(session));

let n = 0;
let failed = 0;

function emit(): void {
  for (const end = n + count!; n < end; n++) tick(n);
}

/** The next error, by turns thrown and rejected. */
function fail(): void {
  emit();
  const error = new Error(`error ${failed}`);
  if (failed++ % 2 === 0) throw error;
  void Promise.reject(error);
}

function handled(what: string, error: unknown): void {
  console.log(what, String(error), process.listenerCount("unhandledRejection"), process.eventNames());
  // After the snapshot, if one was to be taken before the handlers.
  emit();
}

const timer = setInterval(() => {
  if (failed < errors!) return fail();
  clearInterval(timer);
  console.log("goes on", n);
}, 1);
