/**
 * Asks the consumer of a running program for something and waits until it is done: for the
 * commands that steer, and for `print --live`. Runs in the command's process.
 */
import { UserError } from "../errors.ts";
import { cString, ERROR_BYTES, type Native, textOf } from "../record/native.ts";
import { findSessions, type FoundSession } from "../record/session-dir.ts";
import { writeErrorText } from "../record/session-file.ts";

/** How long a consumer is waited for, milliseconds. */
const TIMEOUT_MS = 10_000;

/**
 * Has everything written that the program had emitted before the call, or that it is finished.
 * @throws UserError when the consumer does not, as on a full disk.
 */
export async function flushed({ steer }: Native, session: FoundSession, sessionDir: string): Promise<void> {
  const error = Buffer.alloc(ERROR_BYTES);
  const request = steer.bt_tell_flush(cString(session.path), error);
  if (request < 0) throw new UserError(textOf(error));
  await until(session, sessionDir, ({ flushDone }) => (flushDone - request) << 1 >= 0, "flush");
}

/**
 * Waits until the session says so, or its file is gone: it is finished.
 * @throws UserError when that takes too long: that the consumer did not `what`.
 */
export async function until(
  { path }: FoundSession,
  sessionDir: string,
  done: (info: FoundSession["info"]) => boolean,
  what: string,
): Promise<void> {
  const deadline = performance.now() + TIMEOUT_MS;
  for (;;) {
    const session = findSessions(sessionDir).find((found) => found.path === path);
    if (!session || done(session.info)) return;
    if (performance.now() > deadline)
      throw new UserError(
        `the consumer (pid ${session.info.consumerPid}) did not ${what} within ${TIMEOUT_MS / 1000} s${writeErrorText(session.info)}`,
      );
    await Bun.sleep(2);
  }
}
