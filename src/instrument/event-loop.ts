/**
 * Provider `event_loop`: an event each time that JavaScript kept its thread from the
 * event loop, told by a timer that fires late. Listed in index.ts; works in every
 * traced thread whose session has the event enabled when the thread starts; else there is no
 * timer.
 */
import { listenUnseen } from "../record/listeners.ts";
import { provider } from "../record/tracepoint.ts";

/** How often the loop is looked at while the process works: what blocks it for this and {@link LATE_NS} is seen for sure. */
const PERIOD_MS = 20;

/** And while it does not: each time, a sleeping processor is woken (80 us; so it takes less than 0.1 % of one). */
const IDLE_PERIOD_MS = 100;

/** Part of a processor that makes a process a working one: ten times what an idle Bun and the looks take. */
const WORKING_SHARE = 0.02;

/** The delay from which on it is told: timers of an idle loop are up to 2 ms late. */
const LATE_NS = 10e6;

const NS_PER_MS = 1e6;

// As they were before the program could replace them. The clock is CLOCK_MONOTONIC: it does
// not run while the machine is suspended.
const { setTimeout: startTimer } = globalThis;
const { nanoseconds } = Bun;
const { cpuUsage } = process;

/** What no timer of the program's is about: see {@link clockIsFaked}. */
const never = new Int32Array(new SharedArrayBuffer(4));

/** `bun test` fakes every clock and timer, whoever has kept the functions, and marks it so. */
function clockIsFaked(): boolean {
  return Object.hasOwn(startTimer, "clock");
}

/** Processor time of the process up to now, all threads, nanoseconds. */
function processorTime(): number {
  const { user, system } = cpuUsage();
  return (user + system) * 1000;
}

/** Looks at the calling thread's loop from now on. */
export function instrumentEventLoop(): void {
  const late = provider("event_loop").tracepoint(
    "late",
    [
      ["delay_ns", "u53"],
      ["cpu_ns", "u53"],
    ],
    { level: "warning" },
  );
  if (!late.enabled) return;

  let periodMs = PERIOD_MS;
  let due = Infinity;
  let usedBefore = 0;

  /** The next look. It keeps no program alive. */
  function wait(): void {
    if (clockIsFaked()) {
      // A timer would be the program's to count and to run. This one is not, and dearer.
      due = Infinity;
      const { value } = Atomics.waitAsync(never, 0, 0, periodMs);
      if (typeof value === "object") void value.then(look);
      return;
    }
    due = nanoseconds() + periodMs * NS_PER_MS;
    startTimer(look, periodMs).unref();
  }

  function tellDelay(): number {
    const used = processorTime() - usedBefore;
    usedBefore += used;
    const delay = nanoseconds() - due;
    if (delay > LATE_NS && !clockIsFaked()) late(delay, used);
    return used;
  }

  function look(): void {
    const works = tellDelay() > WORKING_SHARE * periodMs * NS_PER_MS;
    periodMs = works && late.enabled ? PERIOD_MS : IDLE_PERIOD_MS;
    wait();
  }

  wait();
  // What ran until the end did not come back.
  listenUnseen("exit", tellDelay);
}
