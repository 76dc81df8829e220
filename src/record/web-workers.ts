/**
 * Hands the session on to web Workers of a program that opens one itself. Called by
 * session.ts, in the thread that opens it; under the preload src/instrument/worker.ts
 * sees to Workers.
 */

let seenTo = false;

/**
 * A web Worker that is made without options gets the environment that the program was
 * started with (Bun 1.4.5), and so not the variable by which its library finds the
 * session; one with options, be they empty, gets the present environment.
 */
export function handSessionOn(): void {
  if (seenTo) return;
  seenTo = true;
  const wrapped: typeof Worker = new Proxy(globalThis.Worker, {
    construct(target, [script, options = {}, ...rest]: ConstructorParameters<typeof Worker>, newTarget) {
      const as = newTarget === wrapped ? target : newTarget;
      return Reflect.construct(target, [script, options, ...rest], as);
    },
  });
  globalThis.Worker = wrapped;
}
