/**
 * Runs a program untraced and traced: it must do the same, and the trace is what
 * the tests look at. Runs in the test process.
 */
import { expect } from "bun:test";
import { join } from "node:path";

import { readTrace, type TraceEvent, type Value } from "../support/babeltrace.ts";
import { Place } from "../support/place.ts";
import { type Ended, run, type RunOptions } from "../support/run.ts";

/** What a program did, and the events of the traced run. */
export interface Both {
  readonly ended: Ended;
  readonly events: readonly TraceEvent[];
}

/** How to run a program both ways. */
export interface BothOptions extends RunOptions {
  /** Takes away what differs from run to run, as port numbers. */
  readonly normalize?: (text: string) => string;
}

/**
 * Runs `programs/NAME` both ways and compares stdout, stderr and exit status.
 * @param args of the program.
 */
export async function both(
  name: string,
  args: readonly string[] = [],
  { normalize = (text) => text, ...options }: BothOptions = {},
): Promise<Both> {
  await using place = new Place();
  const program = join(import.meta.dirname, "programs", name);
  const bare = await run(place, program, { args, ...options, traced: false });
  const traced = await run(place, program, { args, session: { enable: [] }, ...options });
  expect(outcome(traced, normalize)).toEqual(outcome(bare, normalize));
  return { ended: traced, events: await readTrace(place.output) };
}

/** What must be the same; Bun puts the process id into warnings. */
function outcome(
  { pid, stdout, stderr, status, signal }: Ended,
  normalize: (text: string) => string,
): Omit<Ended, "pid"> {
  return {
    stdout: normalize(stdout),
    stderr: normalize(stderr).replaceAll(`(node:${pid})`, "(node:PID)"),
    status,
    signal,
  };
}

/** Name and fields of the events of some providers, without the ids of spans. */
export function shown(events: readonly TraceEvent[], ...providers: string[]): [string, Value][] {
  return events
    .filter(({ name }) => providers.some((provider) => name.startsWith(`${provider}:`)))
    .map(({ name, fields }) => [name, withoutIds(fields)]);
}

type Fields = TraceEvent["fields"];

function withoutIds(fields: Fields): Fields {
  return Object.fromEntries(
    Object.entries(fields).filter(([name]) => name !== "span_id" && name !== "parent_id"),
  );
}

/** A span: its begin and its end. */
export interface SpanRead {
  readonly name: string;
  readonly id: number;
  readonly parent: number;
  readonly begin: Fields;
  readonly end: Fields;
}

/** The spans of a trace of one thread, in the order of their begins. @throws Error when one has no end, or two. */
export function spansOf(events: readonly TraceEvent[], name: string): SpanRead[] {
  const ends = events.filter((event) => event.name === `${name}_end`);
  return events
    .filter((event) => event.name === `${name}_begin`)
    .map(({ fields: begin }) => {
      const id = Number(begin["span_id"]);
      const own = ends.filter(({ fields }) => fields["span_id"] === id);
      const end = own[0];
      if (own.length !== 1 || !end) throw new Error(`${name} ${id} has ${own.length} ends`);
      const parent = Number(begin["parent_id"]);
      return { name, id, parent, begin: withoutIds(begin), end: withoutIds(end.fields) };
    });
}
