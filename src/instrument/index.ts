/**
 * The built-in providers: each file beside this one instruments one thing, and is
 * listed here once. Called by the preload, in every traced thread, before the
 * program's first line.
 */

import { instrumentWorkers } from "./worker.ts";

/** Instruments one thing in the calling thread; must leave the program's behaviour as it is. */
export type Instrument = () => void;

const instruments: readonly Instrument[] = [];

/**
 * Instruments everything; one that fails must not keep the others, or the program, from running.
 * @param preload path of the preload, for Workers.
 */
export function instrument(preload: string): void {
  instrumentWorkers(preload);
  for (const install of instruments) install();
}
