/**
 * Instruments a built-in module when the program first imports it: loading it at
 * every start would cost every program milliseconds. Called by the instruments beside
 * this file, in any traced thread.
 */

/**
 * Calls `work` right before the module's first import, or `require` of its full name,
 * is carried out. A `require` of a node module's bare name is not seen.
 * @param namespace "bun" for `bun:sqlite`, "node" for `node:worker_threads`.
 */
export function whenImported(namespace: "bun" | "node", module: string, work: () => void): void {
  let done = false;
  Bun.plugin({
    name: `buntrace ${namespace}:${module}`,
    setup(build) {
      build.onResolve({ filter: new RegExp(`^${module}$`), namespace }, () => {
        if (!done) {
          done = true; // first: the work imports the module itself
          work();
        }
        return undefined; // resolved as ever
      });
    },
  });
}
