/**
 * The progress line of a running recording. Called in the command's process; shown
 * only where it disturbs nobody: on a terminal that is not also the program's output.
 */
import { bytesText, countText } from "./number-text.ts";

/** What the line says. */
export interface Progress {
  readonly seconds: number;
  readonly events: number;
  readonly bytes: number;
  readonly lost: number;
}

/** Between two updates, milliseconds. */
const PERIOD_MS = 500;

/** Starts showing progress; `stop` takes the line away. */
export function startProgress(read: () => Progress): { stop(): void } {
  if (!process.stderr.isTTY || process.stdout.isTTY) return { stop() {} };
  const show = (): void => {
    const { seconds, events, bytes, lost } = read();
    process.stderr.write(
      `\r\x1b[Kbuntrace: ${seconds.toFixed(0)} s, ${countText(events)} events, ${bytesText(bytes)}, ${countText(lost)} lost`,
    );
  };
  const timer = setInterval(show, PERIOD_MS);
  timer.unref();
  return {
    stop() {
      clearInterval(timer);
      process.stderr.write("\r\x1b[K");
    },
  };
}
