/**
 * Provider `process`: how the program starts and ends, and what nobody caught
 * (record/uncaught.ts); the last in Workers, too. Called by the preload. Listens only:
 * no signal gets a handler.
 */
import { listenUnseen } from "../record/listeners.ts";
import { provider } from "../record/tracepoint.ts";
import { rejectionWasReported, watchErrors } from "../record/uncaught.ts";

const PROVIDER = provider("process");

/**
 * Bun leaves because of a rejection with 1, whatever `process.exitCode` is, and tells that or 0. But it may run on
 * after one, until the program calls `process.exit`: what stands above us then tells the two apart.
 */
function exitCode(code: unknown): number {
  const byRejection = rejectionWasReported() && !new Error().stack?.includes("at exit (unknown)");
  return byRejection ? 1 : Number(code);
}

function workingDirectory(): string {
  try {
    return process.cwd();
  } catch {
    // It was removed.
    return "";
  }
}

/** Emits the start and sees to the rest. */
export function instrumentProcess(): void {
  if (!Bun.isMainThread) return watchErrors();
  const start = PROVIDER.tracepoint("start", [
    ["pid", "u32"],
    ["ppid", "u32"],
    ["argv", "string"],
    ["exec_argv", "string"],
    ["cwd", "string"],
    ["bun_version", "string"],
  ]);
  const exit = PROVIDER.tracepoint("exit", [["code", "i32"]]);
  start(
    process.pid,
    process.ppid,
    process.argv.join(" "),
    process.execArgv.join(" "),
    workingDirectory(),
    Bun.version,
  );
  listenUnseen("exit", (code) => exit(exitCode(code)));
  watchErrors();
}
