/**
 * Thread names and free-form messages: what needs no tracepoint of its own.
 * Called by programs, in any JavaScript thread.
 */
import { GEOMETRY } from "./session-file.ts";
import { defineEvent, thread } from "./thread.ts";
import { LEVELS } from "./levels.ts";
import type { Writer } from "./writer.ts";

/**
 * Names the calling thread in the trace, from the next packet on.
 * @param name cut at a character boundary to 31 bytes.
 */
export function nameThread(name: string): void {
  const attached = thread.attached;
  if (!attached) return;
  const bytes = Buffer.alloc(GEOMETRY.threadNameBytes);
  bytes.write(String(name).replaceAll("\0", ""), 0, GEOMETRY.threadNameBytes - 1);
  attached.native.shim.bt_name_thread(attached.emitter.writer, bytes);
}

let message: Writer | undefined;

/**
 * Emits a printf-style message, `buntrace:tracef`. Formats as node's
 * `util.format`, only when the event is enabled. For a quick look: a tracepoint is
 * cheaper.
 */
export function tracef(text: string, ...values: unknown[]): void {
  // Defined when first used: most programs have messages of their own or none.
  message ??= defineEvent("buntrace:tracef", LEVELS.info, "event", [["message", "string"]]).writer;
  if (!message.enabled()) return;
  let formatted: string;
  try {
    // Required here: node:util takes milliseconds to load, and few programs get here.
    const { format } = require("node:util") as typeof import("node:util");
    formatted = format(text, ...values);
  } catch {
    formatted = typeof text === "string" ? text : "";
  }
  message.emit(formatted);
}
