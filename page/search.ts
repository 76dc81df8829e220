/** Finds events by their names and fields: `text`, a number, or `field=value`. */
import type { ClassHeader, FieldHeader } from "../src/open/format.ts";
import type { Model } from "./model.ts";

/** What a search found. */
export interface Found {
  readonly query: string;
  /** Indexes of events, ascending. */
  readonly events: Uint32Array;
  /** Of each event and of each span, whether it is among them. */
  readonly eventHits: Uint8Array;
  readonly spanHits: Uint8Array;
}

/** Searches all events that the page has. */
export function search(model: Model, query: string): Found {
  const parsed = parse(model, query);
  const tests = model.header.classes.map((of) => classTest(model, of, parsed));
  const { eventClass, eventRank, eventSpan } = model;
  const eventHits = new Uint8Array(eventClass.length);
  const spanHits = new Uint8Array(model.spanCount);
  let count = 0;
  for (let event = 0; event < eventClass.length; event += 1) {
    const test = tests[eventClass[event] ?? 0];
    if (test !== true && (test === undefined || test[eventRank[event] ?? 0] !== 1)) continue;
    eventHits[event] = 1;
    count += 1;
    const span = eventSpan[event] ?? -1;
    if (span >= 0) spanHits[span] = 1;
  }
  const events = new Uint32Array(count);
  for (let event = 0, at = 0; event < eventClass.length; event += 1)
    if (eventHits[event] === 1) events[at++] = event;
  return { query, events, eventHits, spanHits };
}

interface Query {
  /** The field asked for; any without. */
  readonly field: string | undefined;
  readonly text: string;
  /** The number that the text is; NaN for none. */
  readonly number: number;
  /** Of each different text of fields, whether it is meant. */
  readonly texts: Uint8Array;
}

function parse(model: Model, query: string): Query {
  const [, field, value] = /^([\w.]+)\s*=\s*(.*)$/s.exec(query) ?? [];
  const text = (value ?? query).toLowerCase();
  // With a field's name, the whole text is meant.
  const isMeant = (one: string): boolean => (field === undefined ? one.includes(text) : one === text);
  const texts = Uint8Array.from(model.texts, (one) => Number(isMeant(one.toLowerCase())));
  return { field, text, number: text.trim() === "" ? NaN : Number(text), texts };
}

/** True when all events of the class are meant, else a flag each; none when none are. */
function classTest(model: Model, of: ClassHeader, query: Query): true | Uint8Array | undefined {
  if (query.field === undefined && of.name.toLowerCase().includes(query.text)) return true;
  let flags: Uint8Array | undefined;
  for (const field of of.fields) {
    if (query.field !== undefined && field.name !== query.field) continue;
    const test = fieldTest(model, field, query);
    if (test === undefined) continue;
    const column = model.column(field);
    flags ??= new Uint8Array(column.length);
    for (let row = 0; row < column.length; row += 1) if (test(column[row] ?? 0, row)) flags[row] = 1;
  }
  return flags;
}

/** Whether a value of a column is meant; none when no value can be. */
function fieldTest(
  model: Model,
  field: FieldHeader,
  query: Query,
): ((value: number, row: number) => boolean) | undefined {
  if (field.form === "text") {
    const { texts } = query;
    return texts.includes(1) ? (value) => texts[value] === 1 : undefined;
  }
  const large = field.large === undefined ? undefined : model.large(field);
  const isLarge = (row: number): boolean => {
    const text = large?.get(row);
    return text !== undefined && model.texts[text] === query.text;
  };
  if (Number.isNaN(query.number)) return undefined;
  return (value, row) => (value === query.number && large?.has(row) !== true) || isLarge(row);
}
