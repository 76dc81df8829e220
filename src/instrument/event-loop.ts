/**
 * Provider `event_loop`: an event each time that JavaScript kept its thread from the
 * event loop, told by a timer that fires late. Listed in index.ts; works in every
 * traced thread whose session has the event enabled when the thread starts. In others there is
 * no timer.
 */
import { LEVELS } from "../record/levels.ts";
import { listenUnseen } from "../record/listeners.ts";
import { thread } from "../record/thread.ts";
import { provider } from "../record/tracepoint.ts";

/** How often the loop is looked at while the process works: what blocks it for this and {@link LATE_NS} is seen for sure. */
const PERIOD_MS = 20;

/** And while it does not: a look that wakes a sleeping process takes 180 us, and all may take 0.1 % of a processor. */
const IDLE_PERIOD_MS = 250;

/** Part of a processor that makes a process a working one: more than an idle Bun and the looks take. */
const WORKING_SHARE = 0.02;

/** The delay from which on it is told: timers of an idle loop are up to 2 ms late. */
const LATE_NS = 10e6;

const NS_PER_MS = 1e6;

// As they were before the program could replace them. The clock is CLOCK_MONOTONIC: it
// stands still while the machine is suspended.
const { setTimeout: startTimer } = globalThis;
const { nanoseconds } = Bun;
const { cpuUsage } = process;

/** `bun test` fakes clocks and timers for those who have kept the functions, too, and marks it so. */
function clockIsFaked(): boolean {
  return Object.hasOwn(startTimer, "clock");
}

/** Processor time of the process up to now, all threads, nanoseconds. */
function processorTime(): number {
  const { user, system } = cpuUsage();
  return (user + system) * 1000;
}

/** No error, but worth a look: `-e '*@warning'` has it. */
const LEVEL = "warning";

function defineLate() {
  return provider("event_loop").tracepoint(
    "late",
    [
      ["delay_ns", "u53"],
      ["cpu_ns", "u53"],
    ],
    { level: LEVEL },
  );
}

/** Looks at the calling thread's loop from now on. */
export function instrumentEventLoop(): void {
  if (!thread.attached?.chosen("event_loop:late", LEVELS[LEVEL])) return;

  // When first asked for: that takes longer than all else here, and the program's start is over by then.
  let defined: ReturnType<typeof defineLate> | undefined;
  const late = (): ReturnType<typeof defineLate> => (defined ??= defineLate());
  let periodMs = PERIOD_MS;
  let due = Infinity;
  // The process has just started, or has run for long.
  let usedBefore = Bun.isMainThread ? 0 : processorTime();

  /** Until the next look. Keeps no program alive. */
  function wait(): void {
    if (clockIsFaked()) {
      // A timer would be the program's to count and to run. This is not, but dearer.
      due = Infinity;
      const { value } = Atomics.waitAsync(new Int32Array(new SharedArrayBuffer(4)), 0, 0, periodMs);
      if (typeof value === "object") void value.then(look);
      return;
    }
    due = nanoseconds() + periodMs * NS_PER_MS;
    startTimer(look, periodMs).unref();
  }

  const isLate = (): boolean => nanoseconds() - due > LATE_NS && !clockIsFaked();

  /** Tells of a look that is late. @returns the processor time used since the one before. */
  function tell(): number {
    const used = processorTime() - usedBefore;
    usedBefore += used;
    if (isLate()) late()(nanoseconds() - due, used);
    return used;
  }

  function look(): void {
    const works = tell() > WORKING_SHARE * periodMs * NS_PER_MS;
    periodMs = works && late().enabled ? PERIOD_MS : IDLE_PERIOD_MS;
    wait();
  }

  wait();
  // What ran until the thread's end did not come back.
  listenUnseen("exit", () => {
    if (isLate()) tell();
  });
}
