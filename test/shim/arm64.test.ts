/**
 * The arm64 binaries, run by qemu: the ring against its oracle, and the consumer, as it
 * is built for the package, on a session file that a killed program left. What arm64's
 * memory order allows is explore.test.ts's to find; here its code is executed.
 */
import { expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";

import { compile, TARGETS } from "../../shim/build.ts";
import { readTrace } from "../support/babeltrace.ts";
import { shimSource } from "../support/c-compiler.ts";
import { Place } from "../support/place.ts";
import { seed } from "../support/random.ts";
import { abandonedSession } from "../support/session-files.ts";

setDefaultTimeout(600_000);

const ROUNDS = 3;

function build(place: Place, name: string, source: string): string {
  const target = TARGETS.find((one) => one.name === "linux-arm64");
  if (!target) throw new Error("no target linux-arm64");
  const output = join(place.dir, name);
  compile(output, ["-target", target.program, "-std=gnu11", "-O2", "-static", "-pthread", source]);
  return output;
}

async function emulate(...command: string[]): Promise<{ stdout: string; stderr: string; status: number }> {
  const running = Bun.spawn(["qemu-aarch64", ...command], { stdout: "pipe", stderr: "pipe" });
  const [stdout, stderr, status] = await Promise.all([
    running.stdout.text(),
    running.stderr.text(),
    running.exited,
  ]);
  return { stdout, stderr, status };
}

test("the ring on arm64", async () => {
  await using place = new Place();
  const program = build(place, "ring-test", join(import.meta.dirname, "ring-test.c"));
  expect(await emulate(program, String(seed()), String(ROUNDS))).toEqual({
    stdout: `${ROUNDS} rounds\n`,
    stderr: "",
    status: 0,
  });
});

test("the consumer on arm64 writes what a killed program left", async () => {
  await using place = new Place();
  const consumer = build(place, "consumer", shimSource("consumer.c"));
  const source = join(place.dir, "app.ts");
  await Bun.write(
    source,
    `import { provider } from ${JSON.stringify(join(import.meta.dirname, "../../src/index.ts"))};
    const tick = provider("test").tracepoint("tick", [["n", "u32"], ["text", "string"]]);
    for (let n = 0; n < 5000; n++) tick(n, "x".repeat(1 + (n % 50)));
    process.kill(process.pid, "SIGKILL");`,
  );
  // Not cycles: the emulator's are others.
  const path = await abandonedSession(place, source, [], { clock: "monotonic" });
  expect(await emulate(consumer, path)).toEqual({ stdout: "", stderr: "", status: 0 });
  const events = await readTrace(place.output);
  expect(events.map(({ fields }) => fields["n"])).toEqual(Array.from({ length: 5000 }, (_, n) => n));
  expect(events.map(({ fields }) => fields["text"])).toEqual(
    Array.from({ length: 5000 }, (_, n) => "x".repeat(1 + (n % 50))),
  );
  expect(place.sessions()).toEqual([]);
});
