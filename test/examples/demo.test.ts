/** The demo, as `bun run demo` runs it after its set-up. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";

import { readTrace } from "../support/babeltrace.ts";
import { Place } from "../support/place.ts";

setDefaultTimeout(120_000);

const DEMO = join(import.meta.dirname, "../../examples/demo.ts");

test("each request that was answered before the kill is in the trace", async () => {
  await using place = new Place();
  const demo = Bun.spawn([process.execPath, DEMO], {
    cwd: place.dir,
    env: { ...process.env, BUNTRACE_SESSION_DIR: place.sessionDir },
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr] = await Promise.all([demo.stdout.text(), demo.stderr.text()]);
  expect([await demo.exited, stderr]).toEqual([
    0,
    expect.stringMatching(/^buntrace: [\d,]+ events, .* 0 lost/),
  ]);
  const number = (pattern: RegExp): number => Number(pattern.exec(stdout)?.[1] ?? NaN);
  const answered = number(/^answered: (\d+)$/m);
  expect(answered).toBeGreaterThanOrEqual(2000);
  expect(number(/^answered and not in the trace: (\d+)$/m)).toBe(0);
  await place.recorded();
  const events = await readTrace(join(place.dir, "buntrace.data"));
  const named = (name: string): number => events.filter((event) => event.name === name).length;
  expect(named("shop:request_received")).toBe(number(/^in the trace: (\d+) received/m));
  expect(named("shop:request_received")).toBeGreaterThanOrEqual(answered);
  expect(named("http_server:request_end")).toBe(number(/, (\d+) ends of http_server:request$/m));
  expect(named("process:exit")).toBe(0);
});
