/**
 * Switching event types on and off in a session file: the byte that the writers
 * test, and the rule for event types that are declared later. Called in the
 * command's process; the program sees it at its next event.
 */
import { closeSync, openSync, readSync, writeSync } from "node:fs";

import { parseGlob } from "./glob.ts";
import {
  addRule,
  ENABLED_AT,
  EVENTS_AT,
  HEADER_BYTES,
  MAX_EVENTS,
  readEventEntry,
  readHeader,
  SESSION_OFFSETS,
} from "./session-file.ts";

/** Size of an entry of the event table. */
const ENTRY_BYTES = 256;

/** An event type of a session. */
export interface SessionEvent {
  readonly id: number;
  readonly name: string;
  readonly level: number;
}

/** The event types that a session's program has declared so far. @param file the session file, open */
export function* eventsOf(file: number): Generator<SessionEvent> {
  const header = Buffer.alloc(HEADER_BYTES);
  readSync(file, header, 0, HEADER_BYTES, 0);
  const count = Math.min(header.readUInt32LE(SESSION_OFFSETS.event_count), MAX_EVENTS);
  const entry = Buffer.alloc(ENTRY_BYTES);
  for (let id = 0; id < count; id++) {
    readSync(file, entry, 0, ENTRY_BYTES, EVENTS_AT + id * ENTRY_BYTES);
    yield { id, ...readEventEntry(entry) };
  }
}

/**
 * Switches all event types that match, now and when declared later.
 * @returns how many changed, and how many match.
 * @throws Error with one line when the glob or the file is not usable.
 */
export function switchEvents(path: string, glob: string, on: boolean): { switched: number; names: number } {
  const matches = parseGlob(glob);
  const file = openSync(path, "r+");
  try {
    const header = Buffer.alloc(HEADER_BYTES);
    readSync(file, header, 0, HEADER_BYTES, 0);
    readHeader(header);
    // The rule first: a type declared in between is caught by the loop or by the rule.
    const rules = addRule(header, `${on ? "" : "!"}${glob}`);
    writeSync(file, rules, 0, rules.length, SESSION_OFFSETS.enable);
    const flag = Buffer.alloc(1);
    let switched = 0;
    let names = 0;
    for (const { id, name, level } of eventsOf(file)) {
      if (!matches(name, level)) continue;
      names++;
      readSync(file, flag, 0, 1, ENABLED_AT + id);
      if ((flag[0] !== 0) === on) continue;
      switched++;
      flag[0] = on ? 1 : 0;
      writeSync(file, flag, 0, 1, ENABLED_AT + id);
    }
    return { switched, names };
  } finally {
    closeSync(file);
  }
}
