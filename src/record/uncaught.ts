/**
 * What nobody caught: an event for each uncaught error and each unhandled rejection,
 * and then, where the session asks for it, a snapshot of the rings; all before the
 * program's own handlers. Called by the preload and by `openSession`, in any
 * thread. Listens only (see listeners.ts): no error is handled that was not before.
 */
import { listenUnseen, unlistenUnseen } from "./listeners.ts";
import { cut, partsOf } from "./text.ts";
import { thread } from "./thread.ts";
import { provider } from "./tracepoint.ts";

/** Longest stack in an event, characters. */
const MAX_STACK = 8192;

/** Says more than an empty string. */
const NO_STACK = "(none)";

const PROVIDER = provider("process");

const ERROR_FIELDS = [
  ["name", "string"],
  ["message", "string"],
  ["stack", "string"],
] as const;

function defineErrors() {
  return {
    uncaught: PROVIDER.tracepoint("uncaught_error", ERROR_FIELDS, { level: "error" }),
    unhandled: PROVIDER.tracepoint("unhandled_rejection", ERROR_FIELDS, { level: "error" }),
  };
}

let errors: ReturnType<typeof defineErrors> | undefined;

let reported = false;

/** Whether Bun has reported a rejection that nobody handled: its exit status is 1 then. */
export function rejectionWasReported(): boolean {
  return reported;
}

function seeError(kind: "uncaught" | "unhandled", error: unknown): void {
  try {
    const event = (errors ??= defineErrors())[kind];
    if (event.enabled) {
      const { name, message } = partsOf(error);
      event(name, message, stackOf(error));
    }
    thread.onError?.();
  } catch {
    // The program is about to be told of an error; it must be that one.
  }
}

/**
 * The lines of an error's stack. Not from `error.stack`: reading it changes what Bun
 * prints of the error afterwards.
 */
function stackOf(error: unknown): string {
  if (!(error instanceof Error) || Symbol.for("nodejs.util.inspect.custom") in error) return NO_STACK;
  const lines = Bun.inspect(error, { colors: false, depth: 0 }).split("\n");
  const first = lines.findIndex((line) => /^\s+at /.test(line));
  if (first < 0) return NO_STACK;
  // Errors that caused it follow after an empty line.
  const after = lines.findIndex((line, i) => i > first && !/^\s+at /.test(line));
  const own = lines.slice(first, after < 0 ? undefined : after);
  return cut(own.map((line) => line.trim()).join("\n"), MAX_STACK);
}

/** Reasons that nobody handles, until the last of this turn was seen. */
let unhandled: unknown[] = [];
let lastOfTurn: Promise<never> | undefined;
const rejectedAgain = new WeakSet<object>();
const later = queueMicrotask;

/**
 * A listener is taken for a handler: Bun would not report the rejection. So where the
 * program has none, the reasons are collected until a rejection of ours marks that all
 * of the turn have come; then, with nobody listening, they are rejected again, in
 * their order, and Bun does with them what it would have done.
 */
function onRejection(reason: unknown, promise: unknown): void {
  if (promise === lastOfTurn) {
    lastOfTurn = undefined;
    const reasons = unhandled;
    unhandled = [];
    reported = true;
    unlistenUnseen("unhandledRejection", onRejection);
    for (const each of reasons) rejectedAgain.add(Promise.reject(each));
    later(() => listenUnseen("unhandledRejection", onRejection));
    return;
  }
  if (typeof promise === "object" && promise !== null && rejectedAgain.has(promise)) {
    // Bun works otherwise than this knows: never once more.
    unlistenUnseen("unhandledRejection", onRejection);
    return;
  }
  seeError("unhandled", reason);
  if (process.listenerCount("unhandledRejection") > 0) return;
  unhandled.push(reason);
  lastOfTurn ??= Promise.reject(new Error("the last unhandled rejection of a turn"));
}

/** Sees to errors from now on; once a thread, whichever copy of the library comes first. */
export function watchErrors(): void {
  if (thread.watchesErrors) return;
  thread.watchesErrors = true;
  listenUnseen("uncaughtExceptionMonitor", (error) => seeError("uncaught", error));
  // Told what to do with rejections, Bun does not ask the listeners, or not them alone.
  if (!process.execArgv.some((argument) => argument.startsWith("--unhandled-rejections")))
    listenUnseen("unhandledRejection", onRejection);
}
