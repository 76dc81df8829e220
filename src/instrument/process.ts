/**
 * Provider `process`: how the program starts and ends, and what nobody caught. Called
 * by the preload; works in the main thread. Listens only (see listeners.ts): no
 * signal gets a handler, no error is handled that was not before.
 */
import { provider } from "../record/tracepoint.ts";
import { listenUnseen, unlistenUnseen } from "./listeners.ts";
import { cut, partsOf } from "./text.ts";

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

/** Whether Bun has reported a rejection that nobody handled: its exit status is 1 then. */
let reported = false;

function emitError(kind: "uncaught" | "unhandled", error: unknown): void {
  try {
    const event = (errors ??= defineErrors())[kind];
    if (!event.enabled) return;
    const { name, message } = partsOf(error);
    event(name, message, stackOf(error));
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
  emitError("unhandled", reason);
  if (process.listenerCount("unhandledRejection") > 0) return;
  unhandled.push(reason);
  lastOfTurn ??= Promise.reject(new Error("the last unhandled rejection of a turn"));
}

/** Bun tells 0 when it leaves because of a rejection, and then exits with 1. */
function exitCode(code: unknown): number {
  return reported && code === 0 && process.exitCode === undefined ? 1 : Number(code);
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
  if (!Bun.isMainThread) return;
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
  listenUnseen("uncaughtExceptionMonitor", (error) => emitError("uncaught", error));
  // Told what to do with rejections, Bun does not ask the listeners, or not them alone.
  if (!process.execArgv.some((argument) => argument.startsWith("--unhandled-rejections")))
    listenUnseen("unhandledRejection", onRejection);
}
