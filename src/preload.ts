/**
 * What `--preload buntrace/preload` loads, and what `buntrace record` makes every
 * Bun program it starts load: opens the session before the program's first line
 * and instruments what can be traced without a change to the program. Runs in the
 * traced process, main thread and Workers. Must never be the reason that a program
 * does not run.
 *
 * Every program waits for it, so nothing on this way uses what the engine makes slowly
 * the first time (regular expressions, Buffer.from, Array.prototype.map: 0.05 to 0.1 ms
 * each), and no module of it is required by another: the bundler would put a function
 * around each.
 */
import { instrument } from "./instrument/index.ts";
import { openRecordedSession, openSessionSync, sessionWasOpened, warnOnce } from "./record/session.ts";
import { type RecordSettings, settingsFromEnvironment } from "./record/settings.ts";

/** @param settings what `buntrace record` handed over; undefined: the preload is the program's own. */
function start(settings: RecordSettings | undefined): void {
  // A Worker has joined its process's session as this loaded; or that is over, and stays so.
  if (Bun.isMainThread || !sessionWasOpened()) {
    if (settings) openRecordedSession(settings);
    else openSessionSync();
  }
  instrument(import.meta.path, settings);
}

try {
  const settings = settingsFromEnvironment();
  // In a directory whose bunfig.toml names this, the command itself loads it: it would put its own recording in the
  // place of the one that it is to read.
  const isCommand = Bun.main === `${import.meta.dirname}/cli.ts`;
  if (settings || !isCommand) start(settings);
} catch (error) {
  warnOnce(error instanceof Error ? error.message : String(error));
}
