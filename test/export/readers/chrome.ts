/**
 * Reads a file in the Trace Event Format by the rules of its document ("Trace Event
 * Format", JSON Object Format): which keys each phase has, complete and duration
 * events nest in their thread, nestable asynchronous events nest within category and
 * id, in the order of time. Runs in the test process.
 */
import { type Drawn, type DrawnSpan, Stack } from "./drawn.ts";

interface Event {
  readonly name: string;
  readonly ph: string;
  readonly cat?: string;
  readonly ts: number;
  readonly dur?: number;
  readonly pid: number;
  readonly tid: number;
  readonly id?: string;
  readonly s?: string;
  readonly args?: Readonly<Record<string, unknown>>;
}

/** Keys that a phase's events must have, apart from name, ph, pid, tid. */
const KEYS: Readonly<Record<string, readonly string[]>> = {
  M: ["args"],
  X: ["cat", "ts", "dur"],
  B: ["cat", "ts"],
  b: ["cat", "ts", "id"],
  e: ["cat", "ts", "id"],
  i: ["cat", "ts", "s"],
  C: ["ts", "args"],
};

/** @throws Error for what the document does not allow */
export function readChrome(bytes: Uint8Array): Drawn & { readonly begin: bigint } {
  const file = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)) as {
    traceEvents: Event[];
    displayTimeUnit: string;
    otherData: { begin_ns: string };
  };
  if (file.displayTimeUnit !== "ns") throw new Error(`displayTimeUnit ${file.displayTimeUnit}`);
  const threads = new Map<string, string>();
  for (const event of file.traceEvents) {
    const keys = KEYS[event.ph];
    if (keys === undefined) throw new Error(`phase ${event.ph}`);
    for (const key of ["name", "pid", "tid", ...keys])
      if (!(key in event)) throw new Error(`${JSON.stringify(event)} has no ${key}`);
    for (const key of ["ts", "dur", "pid", "tid"] as const)
      if (event[key] !== undefined && !Number.isFinite(event[key]))
        throw new Error(`${key} is ${event[key]}`);
    if (event.ph === "M" && event.name === "thread_name")
      threads.set(`${event.pid} ${event.tid}`, String(event.args?.["name"]));
  }
  return { ...draw(file.traceEvents, threads), begin: BigInt(file.otherData.begin_ns) };
}

/** Microseconds with a fraction, as nanoseconds. */
function nanoseconds(microseconds: number): bigint {
  return BigInt(Math.round(microseconds * 1000));
}

interface Edge {
  readonly time: bigint;
  readonly row: string;
  readonly kind: "begin" | "end";
  readonly event: Event;
}

function draw(events: readonly Event[], threads: ReadonlyMap<string, string>): Drawn {
  const spans: DrawnSpan[] = [];
  const losses: DrawnSpan[] = [];
  const drawn = {
    spans,
    losses,
    instants: [] as Drawn["instants"][number][],
    values: [] as Drawn["values"][number][],
  };
  const edges: Edge[] = [];
  const counters = new Map<string, number>();
  for (const event of events) {
    const { ph, name, args = {} } = event;
    const thread = threads.get(`${event.pid} ${event.tid}`) ?? "";
    const time = ph === "M" ? 0n : nanoseconds(event.ts);
    const row = "be".includes(ph) ? `${event.pid} ${event.cat} ${event.id}` : `${event.pid} ${event.tid}`;
    if (ph === "X") {
      edges.push({ time, row, kind: "begin", event });
      edges.push({ time: time + nanoseconds(event.dur ?? 0), row, kind: "end", event });
    } else if (ph === "B" || ph === "b") edges.push({ time, row, kind: "begin", event });
    else if (ph === "e") edges.push({ time, row, kind: "end", event });
    else if (ph === "i") drawn.instants.push({ name, time, args, thread });
    else if (ph === "C") {
      const { value } = args;
      if (typeof value !== "number") throw new Error(`${name} counts ${JSON.stringify(value)}`);
      // Viewers keep counters by process, name and id.
      const counter = `${event.pid} ${name} ${event.id}`;
      const other = counters.get(counter) ?? event.tid;
      if (other !== event.tid)
        throw new Error(`threads ${other} and ${event.tid} share a counter ${counter}`);
      counters.set(counter, event.tid);
      drawn.values.push({ name, time, value, thread });
    }
  }
  const stacks = new Map<string, Stack<Event>>();
  const add = (event: Event, start: bigint, end: bigint | undefined): void => {
    const thread = threads.get(`${event.pid} ${event.tid}`) ?? "";
    const span = { name: event.name, start, end, args: event.args ?? {}, thread };
    (event.args === undefined ? losses : spans).push(span);
  };
  for (const { time, row, kind, event } of edges.toSorted((one, other) =>
    one.time < other.time ? -1 : one.time > other.time ? 1 : 0,
  )) {
    let stack = stacks.get(row);
    if (stack === undefined) stacks.set(row, (stack = new Stack()));
    if (kind === "begin") stack.begin(time, event);
    else {
      const { of, start } = stack.end(time);
      if (of.name !== event.name || (event.ph === "X" && of !== event))
        throw new Error(`${event.name} ends inside ${of.name}`);
      add(of, start, time);
    }
  }
  for (const stack of stacks.values()) for (const { of, start } of stack.open) add(of, start, undefined);
  return drawn;
}
