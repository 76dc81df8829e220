/**
 * The built-in providers: each file beside this one instruments one thing, and is
 * listed here once. Called by the preload, in every traced thread, before the
 * program's first line.
 */
import type { RecordSettings } from "../record/settings.ts";
import { instrumentChildren } from "./children.ts";
import { instrumentEventLoop } from "./event-loop.ts";
import { instrumentFetch } from "./fetch.ts";
import { instrumentNodeHttp } from "./node-http.ts";
import { instrumentProcess } from "./process.ts";
import { instrumentServe } from "./serve.ts";
import { instrumentSpawn } from "./spawn.ts";
import { instrumentSqlite } from "./sqlite.ts";
import { instrumentWorkers } from "./worker.ts";

/** Instruments one thing in the calling thread; must leave the program's behaviour as it is. */
export type Instrument = (preload: string, settings: RecordSettings | undefined) => void;

const instruments: readonly Instrument[] = [
  instrumentChildren,
  instrumentProcess,
  instrumentEventLoop,
  instrumentWorkers,
  instrumentServe,
  instrumentNodeHttp,
  instrumentFetch,
  instrumentSqlite,
  instrumentSpawn,
];

/** Set on the global object: a program may preload the library itself, under `buntrace record` too. */
const DONE = Symbol.for("buntrace.instrumented.1");

/**
 * Instruments everything, once a thread; one that fails must not keep the others, or
 * the program, from running.
 * @param preload path of the preload, for Workers.
 * @param settings what `buntrace record` handed over, if it did.
 */
export function instrument(preload: string, settings?: RecordSettings): void {
  if (DONE in globalThis) return;
  Object.defineProperty(globalThis, DONE, { value: true });
  for (const install of instruments) {
    try {
      install(preload, settings);
    } catch {
      // Its events are missing; nothing else is.
    }
  }
}
