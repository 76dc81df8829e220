/**
 * Workers: gives every Worker the same preload as the main thread, since Bun's own
 * preloads do not reach them: those of the global constructor and those of
 * `node:worker_threads`. Called by the preload, in any traced thread.
 */
import { withOptions } from "../record/worker-options.ts";
import { whenImported } from "./when-imported.ts";

/** Sees to Workers made from now on. */
export function instrumentWorkers(preload: string): void {
  globalThis.Worker = withPreload(globalThis.Worker, preload);
  whenImported("node", "worker_threads", () => {
    const threads = require("node:worker_threads") as { Worker: typeof Worker };
    threads.Worker = withPreload(threads.Worker, preload);
  });
}

/** A Worker constructor that puts the preload before the program's own. */
function withPreload(native: typeof Worker, preload: string): typeof Worker {
  return withOptions(native, (options) => {
    const own = options?.preload ?? [];
    return { ...options, preload: [preload, ...(Array.isArray(own) ? own : [own])] };
  });
}
