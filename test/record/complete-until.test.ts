/**
 * How far a trace goes when nothing is emitted any more: a span that hangs has run
 * until the flush, the snapshot or the death, and not beyond it.
 */
import { expect, setDefaultTimeout, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { openTraces } from "../../src/ctf/index.ts";
import { spanItems } from "../../src/spans/index.ts";
import { babeltrace } from "../support/babeltrace.ts";
import { cli } from "../support/cli.ts";
import { Place } from "../support/place.ts";
import { consumersOf, isAlive, waitFor } from "../support/processes.ts";

setDefaultTimeout(120_000);

const INDEX = join(import.meta.dirname, "../../src/index.ts");

/** How long each wait is, milliseconds: far more than a flush by itself is late by. */
const WAIT_MS = 300;

/** A program in a span that does not end, with no event after its begin; starts when it is in it. */
async function hanging(
  place: Place,
  options: object,
): Promise<{ program: Bun.Subprocess; since: number; before: number }> {
  const source = join(place.dir, "hanging.ts");
  writeFileSync(
    source,
    `import { openSession, provider } from ${JSON.stringify(INDEX)};
    const session = await openSession(${JSON.stringify({ output: place.output, ...options })});
    await session.flush(); // its consumer is there
    provider("test").span("hang", []).begin();
    require("node:fs").writeSync(1, "in it\\n");
    for (;;);`,
  );
  const before = performance.now();
  const program = Bun.spawn([process.execPath, source], {
    cwd: place.dir,
    env: { ...process.env, BUNTRACE_SESSION_DIR: place.sessionDir },
    stdout: "pipe",
  });
  await program.stdout.getReader().read();
  return { program, since: performance.now(), before };
}

/** How long the span has run by a trace, milliseconds. */
function ranFor(directory: string): number {
  const set = openTraces(directory);
  const running = [...spanItems(set)].flatMap((item) =>
    item.kind === "running" ? [(item.time - item.span.start) / 1e6] : [],
  );
  set.close();
  expect(running).toHaveLength(1);
  return running[0] ?? NaN;
}

test.each([{}, { clock: "monotonic" }, { mode: "overwrite" }])(
  "a span that hangs, in a session with %j",
  async (options) => {
    await using place = new Place();
    // No flush by the timer: what is asked for counts.
    const { program, since, before } = await hanging(place, { flushPeriod: 3_600_000, ...options });
    const flushes = !("mode" in options);
    if (flushes) {
      await Bun.sleep(WAIT_MS);
      const least = performance.now() - since;
      expect((await cli(place, ["flush", String(program.pid)])).status).toBe(0);
      expect(ranFor(place.output)).toBeWithin(least, performance.now() - before);
    }
    await Bun.sleep(WAIT_MS);
    const least = performance.now() - since;
    expect((await cli(place, ["snapshot", String(program.pid)])).status).toBe(0);
    if (!flushes)
      expect(ranFor(join(place.dir, "buntrace.snapshot"))).toBeWithin(least, performance.now() - before);
    await Bun.sleep(WAIT_MS);
    const lived = performance.now() - since;
    program.kill("SIGKILL");
    await program.exited;
    await place.recorded();
    expect(ranFor(place.output)).toBeWithin(lived, performance.now() - before);
    expect((await babeltrace(["--color=never", place.output])).stderr).toBe("");
  },
);

test("what recover finishes goes as far as somebody knew, not to the recovery", async () => {
  await using place = new Place();
  const { program, since, before } = await hanging(place, { flushPeriod: 3_600_000 });
  await Bun.sleep(WAIT_MS);
  const least = performance.now() - since;
  expect((await cli(place, ["flush", String(program.pid)])).status).toBe(0);
  const most = performance.now() - before;
  const [consumer] = consumersOf(place.sessionDir);
  process.kill(consumer!, "SIGKILL");
  program.kill("SIGKILL");
  await program.exited;
  await waitFor("the consumer to die", () => !isAlive(consumer!));
  await Bun.sleep(WAIT_MS);
  expect((await cli(place, ["recover"])).status).toBe(0);
  expect(ranFor(place.output)).toBeWithin(least, most);
});
