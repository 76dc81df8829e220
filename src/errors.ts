// Errors that end a command: the only ones whose message is written for the user and shown without a stack. Thrown
// anywhere, caught by the command line's entry; the libraries' callers may catch them too.

/** Exit status of a command that failed. */
export const EXIT_ERROR = 1;

/** Exit status of a command that was called wrongly. */
export const EXIT_USAGE = 2;

/**
 * A failure the user can do something about. The message is one line: what was wrong, with what value, what to do.
 */
export class UserError extends Error {
  override name = "UserError";

  /** What the process exits with: {@link EXIT_ERROR} or {@link EXIT_USAGE}. */
  readonly exitStatus: number;

  constructor(message: string, exitStatus: number = EXIT_ERROR) {
    super(message);
    this.exitStatus = exitStatus;
  }
}

/** A file that cannot be opened or written, in one line: `out.json: no space left on device`. */
export function fileError(path: string, error: unknown): UserError {
  const message = error instanceof Error ? error.message : String(error);
  // Of "ENOSPC: no space left on device, write", what people say.
  return new UserError(`${path}: ${message.replace(/^[A-Z0-9]+: ([^,]*),.*$/s, "$1")}`);
}
