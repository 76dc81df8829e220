/**
 * Finds the request that an `error` handler is called for: Bun passes the error
 * alone. Used by serve.ts, one a server, in the thread that serves.
 */

/** Most failures waiting for the handler; Bun does not call it where the client has gone. */
const MAX_WAITING = 64;

/** Failed requests of a server until its `error` handler takes them. */
export class Failures<T> {
  /** Thrown by a handler just now: Bun calls the `error` handler before anything else runs. */
  #thrown: T | undefined;
  readonly #rejected: { readonly failed: T; readonly error: unknown }[] = [];
  readonly #givenUp: (failed: T) => void;

  /** @param givenUp told of those that the handler was not called for. */
  constructor(givenUp: (failed: T) => void) {
    this.#givenUp = givenUp;
  }

  /** A handler threw; with what, only the `error` handler is told. */
  threw(failed: T): void {
    if (this.#thrown !== undefined) this.#givenUp(this.#thrown);
    this.#thrown = failed;
  }

  /** A handler's promise was rejected: the `error` handler is called a little later. */
  rejected(failed: T, error: unknown): void {
    this.#rejected.push({ failed, error });
    const oldest = this.#rejected.length > MAX_WAITING ? this.#rejected.shift() : undefined;
    if (oldest) this.#givenUp(oldest.failed);
  }

  /** The request that the `error` handler is called for, and whether its handler threw rather than rejected. */
  take(error: unknown): { request: T; thrown: boolean } | undefined {
    const request = this.#thrown;
    this.#thrown = undefined;
    if (request !== undefined) return { request, thrown: true };
    const at = this.#rejected.findIndex((one) => Object.is(one.error, error));
    const found = at < 0 ? undefined : this.#rejected.splice(at, 1)[0];
    return found && { request: found.failed, thrown: false };
  }
}
