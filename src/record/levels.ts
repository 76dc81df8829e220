/**
 * Log levels of event types: their names and the numbers that CTF readers know
 * (LTTng's). Used where tracepoints are defined and where sessions choose events.
 */

/** Levels from the gravest to the most talkative, with LTTng-UST's numbers. */
export const LEVELS = {
  emergency: 0,
  alert: 1,
  critical: 2,
  error: 3,
  warning: 4,
  notice: 5,
  info: 6,
  debug: 14,
} as const;

/** Name of a level. */
export type Level = keyof typeof LEVELS;

/** Whether text names a level. */
export function isLevel(text: string): text is Level {
  return Object.hasOwn(LEVELS, text);
}
