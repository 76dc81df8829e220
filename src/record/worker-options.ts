/**
 * Worker constructors that change the options they are given. Used by session.ts for a
 * program that opens a session itself, and by src/instrument/worker.ts; in any traced
 * thread.
 */

type Options = ConstructorParameters<typeof Worker>[1];

/** A Worker constructor that the program takes for the one it was made of. */
export function withOptions(native: typeof Worker, change: (options: Options) => Options): typeof Worker {
  const wrapped: typeof Worker = new Proxy(native, {
    construct(target, [script, options, ...rest]: ConstructorParameters<typeof Worker>, newTarget) {
      const as = newTarget === wrapped ? target : newTarget;
      return Reflect.construct(target, [script, change(options), ...rest], as);
    },
  });
  return wrapped;
}

let handedOn = false;

/**
 * Web Workers find the session that this thread has opened. One that is made without
 * options gets the environment that the program was started with (Bun 1.4.5), and so not
 * the variable by which its library finds the session; one with options, be they empty,
 * gets the present environment.
 */
export function handSessionOn(): void {
  if (handedOn) return;
  handedOn = true;
  globalThis.Worker = withOptions(globalThis.Worker, (options = {}) => options);
}
