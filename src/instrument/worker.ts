/**
 * Workers: gives every Worker the same preload as the main thread, since Bun's own
 * preloads do not reach them. Called by the preload, in any traced thread.
 *
 * `node:worker_threads` has a constructor of its own, which cannot be wrapped before
 * the program has loaded that module (5 ms at every start): a Worker made by it
 * records once it imports buntrace, and only the built-in providers miss it.
 */
export function instrumentWorkers(preload: string): void {
  const Native = globalThis.Worker;
  const Wrapped: typeof Worker = new Proxy(Native, {
    construct(target, args: ConstructorParameters<typeof Worker>, newTarget) {
      const [script, options, ...rest] = args;
      const own = options?.preload ?? [];
      const preloads = [preload, ...(Array.isArray(own) ? own : [own])];
      return Reflect.construct(
        target,
        [script, { ...options, preload: preloads }, ...rest],
        newTarget === Wrapped ? target : newTarget,
      );
    },
  });
  globalThis.Worker = Wrapped;
}
