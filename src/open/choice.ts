/**
 * Chooses which events of a long trace the page shows one by one; the others are shown as density.
 * Called between the two readings, in the command's process.
 */
import type { EventClass } from "../ctf/types.ts";
import { countText, durationText } from "../report/number-text.ts";
import { binStart } from "./format.ts";
import { ALWAYS, BLOCK_EVENTS, type Survey, UNWANTED } from "./survey.ts";

/** Of the events shown, those of the last moment: a quarter. */
const LAST_SHARE = 4;

/** Which events are shown one by one. */
export interface Choice {
  /** @param ordinal of the span, in the order of begins; `event`: the begin's number among all events */
  span(ordinal: number, event: number): boolean;
  /** @param event the event's number among all events; `nth`: among the wanted ones of its class */
  event(of: EventClass, event: number, nth: number): boolean;
  /** What is shown, in words; none when all are. */
  readonly note: string | undefined;
}

/** Chooses at most about `limit` events: the last moment, what failed or did not end, the longest spans, rare events. */
export function choose(found: Survey, isCounter: (of: EventClass) => boolean, limit: number): Choice {
  const { spans, total } = found;
  if (total <= limit) {
    return { span: (ordinal) => spans[ordinal] !== UNWANTED, event: () => true, note: undefined };
  }
  const last = Math.floor(limit / LAST_SHARE);
  const cut = lastMoment(found.blocks, last);
  const spansLimit = found.events.size === 0 ? limit - last : (limit - last) / 2;
  const least = leastCode(spans, spansLimit);
  const every = rareClasses(found.events, isCounter, limit - last - spansLimit);
  return {
    span: (ordinal, event) => {
      const code = spans[ordinal] ?? UNWANTED;
      return code >= least || (code !== UNWANTED && event >= cut);
    },
    event: (of, event, nth) => {
      const step = every.get(of);
      return event >= cut || (step !== undefined && nth % step === 0);
    },
    note: noteOf(least, every, last),
  };
}

/** The number of the first event of the last moment. */
function lastMoment(blocks: readonly number[], count: number): number {
  let sum = 0;
  for (let block = blocks.length - 1; block >= 0; block -= 1) {
    sum += blocks[block] ?? 0;
    if (sum > count) return (block + 1) * BLOCK_EVENTS;
  }
  return 0;
}

/** The lowest code of which, and of those above, there are not too many. */
function leastCode(spans: Uint16Array, limit: number): number {
  const counts = new Float64Array(ALWAYS + 1);
  for (const code of spans) counts[code] = (counts[code] ?? 0) + 2;
  let sum = 0;
  for (let code = ALWAYS; code > UNWANTED; code -= 1) {
    sum += counts[code] ?? 0;
    if (sum > limit) return Math.min(code + 1, ALWAYS);
  }
  return UNWANTED + 1;
}

/** Of classes, the rarest first: every how many-th event is shown. Counters are thinned, so that their lines go on. */
function rareClasses(
  events: ReadonlyMap<EventClass, number>,
  isCounter: (of: EventClass) => boolean,
  limit: number,
): Map<EventClass, number> {
  const every = new Map<EventClass, number>();
  const byCount = [...events].sort(([, one], [, other]) => one - other);
  let rest = limit;
  for (const [index, [of, count]] of byCount.entries()) {
    const share = rest / (byCount.length - index);
    const step = Math.max(1, Math.ceil(count / share));
    if (step > 1 && !isCounter(of)) continue;
    every.set(of, step);
    rest -= count / step;
  }
  return every;
}

function noteOf(least: number, every: ReadonlyMap<EventClass, number>, last: number): string {
  const spans =
    least === ALWAYS
      ? "spans that failed or did not end"
      : `spans that failed, did not end or took ${durationText(binStart(least - 1))} or longer`;
  const thinned = [...every].filter(([, step]) => step > 1);
  const counters = thinned.map(([{ name }, step]) => `; of ${name} one in ${countText(step)}`).join("");
  return `one by one: the last ${countText(last)}, ${spans}, and events of rare types${counters}`;
}
