/**
 * Turns a trace into the data of the page: two readings, then one run of bytes (format.ts). Called by
 * the command.
 */
import type { TraceSet } from "../ctf/trace.ts";
import type { EventFilter } from "../report/filter.ts";
import { killedTexts } from "../report/killed.ts";
import { countText, many } from "../report/number-text.ts";
import { Progress } from "../report/progress.ts";
import { type Choice, choose } from "./choice.ts";
import { Bytes, Texts } from "./columns.ts";
import { type Header, HEADER_AT } from "./format.ts";
import { Gatherer } from "./gather.ts";
import { MAX_LANES } from "./lanes.ts";
import { survey } from "./survey.ts";
import { processHeader } from "./tracks.ts";

/**
 * Events shown one by one, unless the user wants another number. Of each, the page has some 3 bytes in
 * its file and 80 in its memory (measured with bench/open.ts).
 */
export const DEFAULT_LIMIT = 6_000_000;

/** Problems of the data that the page tells one by one. */
const MAX_PROBLEMS = 20;

/** The page's data, and what was in the trace and is shown. */
export interface Prepared {
  readonly bytes: readonly Uint8Array[];
  readonly events: number;
  readonly shown: number;
}

/** How to show a trace. */
export interface PageOptions {
  readonly title: string;
  /** Whether wall clock times are in UTC. */
  readonly utc: boolean;
  /** Of the events that are shown one by one. */
  readonly limit: number;
}

/** Prepares what passes the filter. */
export function prepare(set: TraceSet, filter: EventFilter, { title, utc, limit }: PageOptions): Prepared {
  const found = withProgress(set, (progress) => survey(set, filter, (batch) => progress.at(batch)));
  const choice = choose(found, ({ emfUri }) => emfUri === "buntrace:counter", limit);
  const texts = new Texts();
  const gatherer = new Gatherer(set, found, choice, filter, texts);
  withProgress(set, (progress) => gatherer.run((batch) => progress.at(batch)));

  const bytes = new Bytes();
  const flame = gatherer.sums.flame();
  const packed = gatherer.pack(bytes);
  const list = Buffer.from(JSON.stringify(texts.all));
  const header: Header = {
    title: title.toWellFormed(),
    processes: set.traces.map((trace) => processHeader(trace, set.base)),
    base: String(set.base),
    utc,
    begin: found.begin,
    end: found.end,
    killed: killedTexts(set).map((text) => text.toWellFormed()),
    events: found.total,
    shown: gatherer.shown,
    notes: notesOf(set, gatherer, choice, texts, found.total),
    maxLanes: MAX_LANES,
    tracks: gatherer.tracks.all.map((track) => track.header(set)),
    spanNames: gatherer.sums.names(),
    flame,
    uncertain: gatherer.uncertain,
    texts: bytes.add(list, texts.all.length),
    ...packed,
  };
  const head = Buffer.from(JSON.stringify(header));
  const length = new Uint8Array(HEADER_AT);
  new DataView(length.buffer).setUint32(0, head.length, true);
  return { bytes: [length, head, ...bytes.parts], events: found.total, shown: gatherer.shown };
}

function withProgress<R>(set: TraceSet, read: (progress: Progress) => R): R {
  const progress = new Progress(set, true);
  try {
    return read(progress);
  } finally {
    progress.end();
  }
}

/** What was left out or is uncertain. */
function notesOf(set: TraceSet, gatherer: Gatherer, choice: Choice, texts: Texts, events: number): string[] {
  const { shown, untied, timeless, tracks } = gatherer;
  const notes: string[] = [];
  const note = (count: number, text: string): void => {
    if (count > 0) notes.push(text);
  };
  if (choice.note !== undefined) {
    notes.push(
      `${countText(shown)} of ${countText(events)} events are shown one by one; the rest as density (grey). ` +
        `Shown ${choice.note}. Sums, histograms and the flame graph are of all.`,
    );
  }
  note(
    untied,
    `${many(untied, "begin or end", "begins and ends")} of spans whose other end is not in the trace.`,
  );
  note(timeless, `${many(timeless, "event")} without a time: shown at the time of the event before.`);
  const crowded = tracks.all.reduce((sum, { lanes }) => sum + lanes.crowded, 0);
  note(
    crowded,
    `${many(crowded, "span")} ran beside ${MAX_LANES} others of the thread: drawn in its last row.`,
  );
  note(texts.cut, `${many(texts.cut, "long text")} cut.`);
  note(texts.left, `${many(texts.left, "text")} left out: there are too many different ones.`);
  const { problems } = set;
  notes.push(...problems.slice(0, MAX_PROBLEMS).map(({ message }) => message.toWellFormed()));
  note(
    problems.length - MAX_PROBLEMS,
    `${many(problems.length - MAX_PROBLEMS, "more problem")} in the data.`,
  );
  return notes;
}
