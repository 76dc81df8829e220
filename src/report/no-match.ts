// What to say when nothing passes the filter: mostly --event names a span where events are asked for, or the other way
// round, or nothing that there is. Called by the commands that read traces.
import type { TraceSet } from "../ctf/trace.ts";
import { Roles } from "../spans/index.ts";
import { type EventFilter, globPattern } from "./filter.ts";
import { lineText } from "./table.ts";

/** Names that a message lists. */
const MAX_NAMES = 6;

/** What a command chooses: events one by one, or spans and the events that are no part of one. */
export type Chosen = "events" | "spans";

/** That nothing passed, in one line, and why, as far as names tell. */
export function noMatchText(filter: EventFilter, set: TraceSet, chosen: Chosen): string {
  if (filter.isEmpty) return "no events";
  const hints = filter.globs.flatMap((glob) => hintOf(glob, set, chosen) ?? []);
  return ["no event passes the filter", ...hints].join("; ");
}

/** For those who want events: those of the spans of a name. Nothing when there are none. */
export function spanEventsHint(glob: string, set: TraceSet): string | undefined {
  const { ofSpans } = namesOf(glob, set);
  return ofSpans.size === 0 ? undefined : `${glob} is a span: its events are ${list(ofSpans)}`;
}

function hintOf(glob: string, set: TraceSet, chosen: Chosen): string | undefined {
  const { events, spans, spansAround, ofSpans } = namesOf(glob, set);
  if (events.size + spansAround.size + ofSpans.size === 0) return `no event is called ${glob}`;
  if (chosen === "events") return events.size + spansAround.size > 0 ? undefined : spanEventsHint(glob, set);
  if (events.size + spans.size > 0) return undefined;
  return `${glob} is the begin or end of a span: name the span, ${list(spansAround)}`;
}

/** What a glob names. */
interface Named {
  /** Events that are no part of a span. */
  readonly events: Set<string>;
  readonly spans: Set<string>;
  /** The spans of begins and ends that it names. */
  readonly spansAround: Set<string>;
  /** The begins and ends of the spans that it names. */
  readonly ofSpans: Set<string>;
}

function namesOf(glob: string, set: TraceSet): Named {
  const pattern = globPattern(glob);
  const named: Named = {
    events: new Set(),
    spans: new Set(),
    spansAround: new Set(),
    ofSpans: new Set(),
  };
  for (const { traceClass } of set.traces) {
    const roles = new Roles(traceClass);
    for (const event of traceClass.streamClasses.flatMap(({ events }) => events)) {
      const { type } = roles.of(event);
      if (pattern.test(event.name))
        (type === undefined ? named.events : named.spansAround).add(type?.name ?? event.name);
      if (type === undefined || !pattern.test(type.name)) continue;
      named.spans.add(type.name);
      named.ofSpans.add(event.name);
    }
  }
  return named;
}

function list(names: ReadonlySet<string>): string {
  const some = [...names].slice(0, MAX_NAMES).map((name) => lineText(name));
  return `${some.join(", ")}${names.size > MAX_NAMES ? " and others" : ""}`;
}
