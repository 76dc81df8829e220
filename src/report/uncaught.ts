/**
 * The errors that nobody caught, as text: why a program died, where no signal killed it.
 * Filled by stats.ts, shown by the report command, in its process.
 */
import { eventRecord } from "../ctf/events.ts";
import type { SpanCursor, Thread } from "../spans/index.ts";
import { countText, many } from "./number-text.ts";
import type { Palette } from "./style.ts";
import { lineText } from "./table.ts";
import { threadText } from "./thread-text.ts";

/** Errors kept; the latest tell most, and a program may have a million. */
const MAX_SHOWN = 5;

/** Characters of a message, and of the place it comes from, that are shown. */
const MAX_TEXT = 200;

/** An error that nobody caught, or a rejection that nobody handled. */
export interface UncaughtError {
  /** Nanoseconds after the set's base. */
  readonly time: number;
  readonly thread: Thread;
  readonly name: string;
  readonly message: string;
  /** The first line of its stack; empty without one. */
  readonly place: string;
}

/** The latest of them, and how many there were. */
export class UncaughtErrors {
  count = 0;
  /** In the order of time. */
  readonly latest: UncaughtError[] = [];

  /** Takes the event that a cursor is at, if it is one of provider `process` that tells an error. */
  add(cursor: SpanCursor): void {
    const { name } = cursor.event;
    if (name !== "process:uncaught_error" && name !== "process:unhandled_rejection") return;
    this.count += 1;
    const { time, thread, batch, at } = cursor;
    if (this.latest.length === MAX_SHOWN && time < (this.latest[0]?.time ?? NaN)) return;
    const { fields } = eventRecord(batch, at);
    const text = (field: string): string => {
      const value = fields?.[field];
      return typeof value === "string" ? value : "";
    };
    const [first = ""] = text("stack").split("\n");
    const place = first.startsWith("at ") ? first : "";
    this.latest.push({ time, thread, name: text("name"), message: text("message"), place });
    this.latest.sort((one, other) => one.time - other.time);
    if (this.latest.length > MAX_SHOWN) this.latest.shift();
  }
}

/** Lines that show them, the latest last. */
export function uncaughtLines({ count, latest }: UncaughtErrors, { warning }: Palette): string[] {
  if (count === 0) return [];
  const which = count > latest.length ? `, the latest ${countText(latest.length)}` : "";
  return [
    `${warning.open}uncaught: ${many(count, "error")}${which}${warning.close}`,
    ...latest.map(({ name, message, place, thread }) =>
      [
        `  ${lineText(`${name}: ${message}`, MAX_TEXT)}`,
        ...(place === "" ? [] : [lineText(place, MAX_TEXT)]),
        `thread ${threadText(thread)}`,
      ].join("  "),
    ),
  ];
}
