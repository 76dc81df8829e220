/**
 * What one JavaScript thread knows: its tracepoints and, while a session is open,
 * what their writers store into. Kept on the global object under a versioned
 * symbol, so that two copies of the library in one program (the command's and
 * the program's own) and reloaded modules (`--hot`) find the same one.
 */
import type { AsyncLocalStorage } from "node:async_hooks";

import { type Field, MAX_PAYLOAD_BYTES } from "../ctf/fields.ts";
import { type EventKind, eventBlock } from "../ctf/metadata-writer.ts";
import { address, cString, loadNative, type Native, viewOf } from "./native.ts";
import { ENABLED_AT, MAX_EVENTS, SESSION_OFFSETS } from "./session-file.ts";
import { type Emitter, generateWriter, UNTRACED, type Writer } from "./writer.ts";

/** An event type as this thread defined it. */
export interface EventType {
  readonly name: string;
  readonly level: number;
  readonly kind: EventKind;
  readonly fields: readonly Field[];
  readonly writer: Writer;
}

/** A thread's part of an open session. */
export interface Attached {
  readonly emitter: Emitter;
  readonly native: Native;
  readonly chosen: (name: string, level: number) => boolean;
}

interface ThreadState {
  /** Event types of this thread by their declaration. */
  readonly types: Map<string, EventType>;
  native: Native | string | undefined;
  attached: Attached | undefined;
  /** The last span id given out in this thread. */
  lastSpan: number;
  /** The innermost synchronous span, 0 when there is none. */
  currentSpan: number;
  /** The span around across awaits; made by span.ts when the first one needs it. */
  spans: AsyncLocalStorage<number> | undefined;
  /** Whatever the session keeps; only session.ts looks inside. */
  session: unknown;
  /** Whether some copy of uncaught.ts listens. */
  watchesErrors: boolean;
  /** What the session does at an error that nobody caught, after its event; never throws. */
  onError: (() => void) | undefined;
}

/** Bumped when ThreadState changes: copies that differ leave each other alone. */
const KEY = Symbol.for("buntrace.thread.2");

/** The calling thread's state. */
export const thread: ThreadState = ((globalThis as { [KEY]?: ThreadState })[KEY] ??= {
  types: new Map(),
  native: undefined,
  attached: undefined,
  lastSpan: 0,
  currentSpan: 0,
  spans: undefined,
  session: undefined,
  watchesErrors: false,
  onError: undefined,
});

/** The shim, or why there is none. Loaded once a thread. */
export function native(): Native | string {
  return (thread.native ??= loadNative());
}

/**
 * Defines an event type in this thread, or finds the same one defined before.
 * While a session is open it is declared there at once.
 */
export function defineEvent(
  name: string,
  level: number,
  kind: EventKind,
  fields: readonly Field[],
): EventType {
  const key = JSON.stringify([name, level, kind, fields]);
  const known = thread.types.get(key);
  if (known) return known;
  const type = { name, level, kind, fields };
  const attached = thread.attached;
  const writer = attached
    ? generateWriter(fields, attached.emitter, declare(type, attached))
    : generateWriter(fields, UNTRACED, 0);
  const made = { ...type, writer };
  thread.types.set(key, made);
  return made;
}

/** Declares an event type in the open session: its id, or below zero when the trace would not take it. */
function declare(type: Omit<EventType, "writer">, { native, chosen }: Attached): number {
  const { before, after } = eventBlock(type.name, type.level, type.kind, type.fields);
  const enabled = chosen(type.name, type.level) ? 1 : 0;
  return native.shim.bt_declare(cString(type.name), type.level, cString(before), cString(after), enabled);
}

/**
 * Attaches this thread to the process's session: all its tracepoints record from now on.
 * @throws Error when there is no memory for the thread's side.
 */
export function attach(native: Native, chosen: Attached["chosen"]): Attached {
  const { shim } = native;
  const session = address(shim.bt_session());
  const writer = address(shim.bt_attach());
  const staging = address(writer === null ? null : shim.bt_staging(writer));
  if (session === null || writer === null || staging === null)
    throw new Error("no memory for a thread's staging area");
  const bytes = viewOf(staging, MAX_PAYLOAD_BYTES);
  const shared = viewOf(session, ENABLED_AT + MAX_EVENTS);
  const flags = new Uint8Array(shared.buffer, shared.byteOffset + ENABLED_AT);
  const cycles = shared.readUInt32LE(SESSION_OFFSETS.clock) === 0;
  const emitter: Emitter = {
    enabled: flags,
    writer,
    view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length),
    bytes,
    commit: cycles ? shim.bt_commit_cycles : shim.bt_commit_monotonic,
    altered: shim.bt_count_altered,
  };
  const attached: Attached = { emitter, native, chosen };
  thread.attached = attached;
  for (const type of thread.types.values()) type.writer.bind(emitter, declare(type, attached));
  return attached;
}

/** Detaches this thread: its tracepoints are flag tests again. */
export function detach(): void {
  thread.attached = undefined;
  for (const type of thread.types.values()) type.writer.bind(UNTRACED, 0);
}
