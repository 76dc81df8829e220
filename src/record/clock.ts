/**
 * Which clock a session can use. Called in the traced process when a session opens.
 */
import { readFileSync } from "node:fs";

import type { Clock } from "./session-file.ts";

/**
 * Kernel clock sources that are the processor's cycle counter, or computed from
 * it. Where the kernel has given the counter up (it found that cores disagree) it
 * names another, and so do we.
 */
const COUNTER_SOURCES = new Set([
  "tsc",
  "kvm-clock",
  "hyperv_clocksource_tsc_page",
  "xen",
  "arch_sys_counter",
]);

/** The best clock here; shim.c also asks the processor itself. */
export function availableClock(): Clock {
  try {
    const source = readFileSync(
      "/sys/devices/system/clocksource/clocksource0/current_clocksource",
      "utf8",
    ).trim();
    return COUNTER_SOURCES.has(source) ? "cycles" : "monotonic";
  } catch {
    // No sysfs (some containers): the processor's word has to do.
    return "cycles";
  }
}
