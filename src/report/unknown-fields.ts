// What to say of a name in --where or --by that no chosen event has as a field: mostly it is misspelt. Called by the commands
// that read traces, before they read.
import type { TraceSet } from "../ctf/trace.ts";
import type { EventClass } from "../ctf/types.ts";
import { Roles } from "../spans/index.ts";
import { namesIn, scopesFor, typesAt } from "./field-names.ts";
import type { Chosen } from "./no-match.ts";
import { lineText } from "./table.ts";

/** Names that a message lists. */
const MAX_NAMES = 6;

/** Names that one may be taken for. */
const MAX_NEAR = 3;

/** One character in so many may be wrong for a name still to be taken for another. */
const CHARACTERS_A_MISTAKE = 3;

/** What a span has beside the fields of its events. */
const OF_SPANS = "duration";

/** Which events are asked for fields. */
export interface Asked {
  readonly sets: readonly TraceSet[];
  readonly chosen: Chosen;
  /** Whether events, or spans, of a name are chosen. */
  wants(name: string): boolean;
}

/** Says on stderr which fields of --where no chosen event has, whatever its values are: a line each. */
export function tellUnknownFields(names: readonly string[], asked: Asked): void {
  const known = knownFields(asked);
  for (const name of new Set(names)) {
    const text = unknownText(name, known, asked.chosen, "; texts stand in quotes");
    if (text !== undefined) process.stderr.write(`buntrace: ${text}\n`);
  }
}

/**
 * The sentence on a field of --by that no chosen event has; nothing where one has it.
 *
 * @param words what else --by may be
 */
export function unknownByText(name: string, asked: Asked, words: readonly string[] = []): string | undefined {
  return words.includes(name) ? undefined : unknownText(name, knownFields(asked), asked.chosen, "", words);
}

/** Finds whether there is a field of a name, and the names there are. */
interface Known {
  has(name: string): boolean;
  names(): string[];
}

/** Nothing where no event is chosen: then it is the events' names that are wrong, which is said elsewhere. */
function knownFields({ sets, chosen, wants }: Asked): Known | undefined {
  const events = sets
    .flatMap(({ traces }) => traces)
    .flatMap(({ traceClass }) => {
      const roles = new Roles(traceClass);
      const isChosen = (event: EventClass): boolean =>
        wants((chosen === "spans" ? roles.of(event).type?.name : undefined) ?? event.name);
      return traceClass.streamClasses.flatMap((streamClass) => streamClass.events.filter(isChosen));
    });
  if (events.length === 0) return undefined;
  const scopes = [...new Set(events.flatMap(scopesFor))];
  // What all events of a tracer have is listed last.
  const own = events.flatMap(({ fields }) => fields ?? []);
  return {
    has: (name) => scopes.some((scope) => typesAt(scope, name).length > 0),
    names: () => [...new Set([...own, ...scopes].flatMap(namesIn))],
  };
}

function unknownText(
  name: string,
  known: Known | undefined,
  chosen: Chosen,
  advice: string,
  words: readonly string[] = [],
): string | undefined {
  if (known === undefined || known.has(name)) return undefined;
  const text = `no event has a field ${lineText(name)}`;
  if (name === OF_SPANS)
    return chosen === "spans" ? undefined : `${text}: spans have it, in report and graph`;
  const names = [...known.names(), ...words, ...(chosen === "spans" ? [OF_SPANS] : [])];
  const near = nearest(name, names);
  return near.length > 0
    ? `${text}; did you mean ${list(near, MAX_NEAR, " or ")}?`
    : `${text}; there are ${list(names, MAX_NAMES, ", ")}${names.length > MAX_NAMES ? " and others" : ""}${advice}`;
}

function list(names: readonly string[], most: number, separator: string): string {
  return names
    .slice(0, most)
    .map((name) => lineText(name))
    .join(separator);
}

/** The names that one may be taken for, the nearest first. */
function nearest(name: string, names: readonly string[]): string[] {
  return names
    .map((one) => ({ one, wrong: mistakes(name.toLowerCase(), one.toLowerCase()) }))
    .filter(({ one, wrong }) => wrong * CHARACTERS_A_MISTAKE <= Math.max(name.length, one.length))
    .toSorted((a, b) => a.wrong - b.wrong)
    .map(({ one }) => one);
}

/** Characters to insert, remove, replace or exchange with their neighbours: the optimal string alignment distance. */
function mistakes(from: string, to: string): number {
  let before: number[] = [];
  let last = Array.from({ length: to.length + 1 }, (_, index) => index);
  const at = (row: readonly number[], index: number): number => row[index] ?? Infinity;
  for (let i = 1; i <= from.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= to.length; j += 1) {
      const replaced = at(last, j - 1) + (from[i - 1] === to[j - 1] ? 0 : 1);
      const isSwap = i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1];
      const swapped = isSwap ? at(before, j - 2) + 1 : Infinity;
      row.push(Math.min(at(last, j) + 1, at(row, j - 1) + 1, replaced, swapped));
    }
    [before, last] = [last, row];
  }
  return at(last, to.length);
}
