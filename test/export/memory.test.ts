/**
 * The memory of an export does not grow with the trace: the most that a process holds,
 * for a trace of requests and for one five times as long. BUNTRACE_EXPORT_EVENTS sets
 * the events of the longer one (10000000 is the large form).
 */
import { test } from "bun:test";
import { join } from "node:path";

import { writeRequests } from "../../bench/requests.ts";
import { CLI } from "../support/cli.ts";
import { Place } from "../support/place.ts";
import { numberFromEnvironment } from "../support/random.ts";

const EVENTS = numberFromEnvironment("BUNTRACE_EXPORT_EVENTS", 400_000);
const TIMES = 5;

/**
 * What the collector may leave lying about before it works at the longer one's pace. Keeping the spans alone would take
 * 400 bytes an event.
 */
const SLACK_BYTES = 100e6;

async function peakBytes(trace: string, format: string): Promise<number> {
  const child = Bun.spawn([process.execPath, CLI, "export", trace, "--to", format, "-o", "/dev/null"], {
    stderr: "pipe",
  });
  const [errors, status] = await Promise.all([child.stderr.text(), child.exited]);
  if (status !== 0) throw new Error(errors);
  return child.resourceUsage()?.maxRSS ?? NaN;
}

test("memory is that of a part, whatever the length", async () => {
  await using place = new Place();
  const [shorter, longer] = [join(place.dir, "shorter"), join(place.dir, "longer")];
  writeRequests(shorter, EVENTS / TIMES);
  writeRequests(longer, EVENTS);
  // One of each way to keep what is not written yet: running spans, rows, a temporary file, parts of a message.
  for (const format of ["perfetto", "parquet", "speedscope", "otlp-json"]) {
    const [less, more] = [await peakBytes(shorter, format), await peakBytes(longer, format)];
    if (!(more - less < SLACK_BYTES))
      throw new Error(`${format}: ${less} bytes for ${EVENTS / TIMES} events, ${more} for ${EVENTS}`);
  }
});
