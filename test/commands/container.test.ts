/**
 * `buntrace record` as the entry point of a container: it is process 1 there, so it
 * passes signals on, waits for orphans, ends as the program did, and not before every
 * trace is written, since everything else in the container ends with it.
 */
import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { readTrace, type TraceEvent } from "../support/babeltrace.ts";
import { forbidden, prepareContainer, startContainer, type ContainerOptions } from "../support/container.ts";
import { Place } from "../support/place.ts";

setDefaultTimeout(60_000);

const refusal = forbidden();

const EMIT = `
import { provider } from "/package/src/index.ts";
const tick = provider("test").tracepoint("tick", [["n", "u32"]]);
for (let n = 0; n < 20000; n++) tick(n);
`;

const RECORD = ["/bun", "/package/src/cli.ts", "record", "-e", "test:*", "-o", "/traces/run"];

/** Runs a program in a container; `at` is called with the first line that it prints. */
async function contain(
  app: string,
  options: ContainerOptions & { record?: readonly string[]; command?: readonly string[] } = {},
  at?: (first: number) => void,
) {
  const place = new Place();
  places.push(place);
  prepareContainer(place, { "app.ts": app });
  const command = options.command ?? [...RECORD, ...(options.record ?? []), "/app/app.ts"];
  const container = startContainer(place, command, options);
  let stdout = "";
  for await (const part of container.process.stdout) {
    if (stdout === "" && at) at(await container.first());
    stdout += new TextDecoder().decode(part);
  }
  const stderr = await container.process.stderr.text();
  const status = await container.process.exited;
  return { place, stdout, stderr, status, output: join(place.dir, "traces/run") };
}

const places: Place[] = [];
afterAll(async () => {
  for (const place of places) await place[Symbol.asyncDispose]();
});

const numbers = (events: readonly TraceEvent[]): number[] => events.map(({ fields }) => Number(fields["n"]));
const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** How a shell says that a signal ended a program. */
const BY_SIGNAL = 128;

if (refusal !== undefined) {
  test("namespaces are forbidden here, and by nobody but the kernel", () => {
    expect(refusal).toMatch(/^unshare: .*(Operation not permitted|Permission denied)/);
  });
} else {
  describe("as process 1, under a read-only root, as another user", () => {
    test.concurrent("it ends with the program's status, with all events written", async () => {
      const { stdout, stderr, status, output } = await contain(
        `${EMIT}console.log(process.ppid, process.getuid()); process.exit(7);`,
      );
      expect({ stdout, status }).toEqual({
        stdout: `1 ${process.getuid?.() === 0 ? 1000 : 0}\n`,
        status: 7,
      });
      expect(stderr).toMatch(/^buntrace: 20,000 events, .* 0 lost -> \.\/traces\/run\n$/);
      expect(numbers(await readTrace(output))).toEqual(upTo(20000));
    });

    const waiting = `${EMIT}console.log("ready"); setInterval(() => {}, 1e6);`;

    test.concurrent("SIGTERM (docker stop) reaches the program, whose handler ends it", async () => {
      const handler = `process.on("SIGTERM", () => { tick(20000); process.exit(9); });`;
      const { status, output } = await contain(`${waiting}${handler}`, {}, (first) =>
        process.kill(first, "SIGTERM"),
      );
      expect(status).toBe(9);
      expect(numbers(await readTrace(output))).toEqual(upTo(20001));
    });

    test.concurrent.each(["SIGTERM", "SIGINT"] as const)(
      "%s ends a program without a handler, as process 1 it would not",
      async (signal) => {
        const { status, output } = await contain(waiting, {}, (first) => process.kill(first, signal));
        expect(status).toBe(BY_SIGNAL + { SIGTERM: 15, SIGINT: 2 }[signal]);
        expect(numbers(await readTrace(output))).toEqual(upTo(20000));
      },
    );

    test.concurrent("SIGKILL of the program leaves all of its events", async () => {
      const { status, output } = await contain(`${EMIT}process.kill(process.pid, "SIGKILL");`);
      expect(status).toBe(BY_SIGNAL + 9);
      expect(numbers(await readTrace(output))).toEqual(upTo(20000));
    });

    test.concurrent("orphans are waited for, the program's own children are not", async () => {
      const { stdout, status } = await contain(`
        import { readdirSync, readFileSync } from "node:fs";
        const zombies = () => readdirSync("/proc").filter((name) => {
          try {
            const [state, parent] = readFileSync("/proc/" + name + "/stat", "latin1").split(") ")[1].split(" ");
            return state === "Z" && parent === "1";
          } catch { return false; }
        });
        for (let i = 0; i < 20; i++)
          await Bun.spawn(["sh", "-c", "(sleep 0.0" + i + "; exit 3) &"]).exited;
        const own = Bun.spawn(["sh", "-c", "exit 4"]);
        let last = -1;
        for (let i = 0; i < 500 && (last = zombies().length) + readdirSync("/proc").filter((name) => {
          try { return readFileSync("/proc/" + name + "/comm", "latin1").startsWith("sleep"); } catch { return false; }
        }).length > 0; i++) await Bun.sleep(10);
        console.log(await own.exited, last);`);
      expect({ stdout, status }).toEqual({ stdout: "4 0\n", status: 0 });
    });

    test.concurrent("a program that outlives the first is ended, with all it emitted written", async () => {
      const { place, status, output } = await contain(`
        import { appendFileSync, existsSync } from "node:fs";
        import { provider } from "/package/src/index.ts";
        const tick = provider("test").tracepoint("tick", [["n", "u32"]]);
        if (process.argv[2] === "child") {
          for (let n = 0; ; n++) { tick(n); appendFileSync("/app/emitted", "."); }
        } else {
          Bun.spawn(["/bun", import.meta.path, "child"]).unref();
          while (!existsSync("/app/emitted")) await Bun.sleep(5);
          await Bun.sleep(50);
          process.exit(0);
        }`);
      expect(status).toBe(0);
      const emitted = readFileSync(join(place.dir, "app/emitted")).length;
      const recorded = numbers(await readTrace(output));
      expect(emitted).toBeGreaterThan(0);
      expect(recorded).toEqual(upTo(recorded.length));
      // The last may have been killed between the event and the write.
      expect(recorded.length).toBeWithin(emitted, emitted + 2);
    });
  });

  describe("with a /dev/shm that is", () => {
    const refused = [
      [
        "too small",
        "64k",
        /^buntrace: \/dev\/shm\/buntrace-\d+ has \d+ bytes free and a ring needs .*--session-dir\n$/,
      ],
      [
        "not to be written",
        "ro",
        /^buntrace: session directory .*cannot be made: Read-only.*--session-dir\n$/,
      ],
    ] as const;

    test.concurrent.each(refused)("%s, it says so at once", async (_, shm, line) => {
      const { stdout, stderr, status } = await contain(`console.log("ran");`, { shm });
      expect({ stdout, stderr, status }).toEqual({
        stdout: "",
        stderr: expect.stringMatching(line),
        status: 125,
      });
    });

    test.concurrent.each(refused)("%s, it records into another directory", async (_, shm) => {
      const record = ["--session-dir", "/traces/sessions"];
      const { place, status, output } = await contain(EMIT, { shm, record });
      expect(status).toBe(0);
      expect(numbers(await readTrace(output))).toEqual(upTo(20000));
      expect(readdirSync(join(place.dir, "traces/sessions"))).toEqual([]);
    });

    test.concurrent("nearly full, threads without room lose their events and nothing else", async () => {
      const workers = `
        import { isMainThread } from "node:worker_threads";
        if (isMainThread)
          for (let i = 0; i < 12; i++)
            await new Promise((done) => new Worker(import.meta.path).addEventListener("close", done));
        process.exit(0);`;
      const { stderr, status, output } = await contain(`${EMIT}${workers}`, {
        shm: "64k",
        record: ["--sub-buffer-size", "4K", "--sub-buffers", "2", "--mode", "block"],
      });
      expect({ stderr, status }).toEqual({
        stderr: expect.stringMatching(/^buntrace: [\d,]+ events/),
        status: 0,
      });
      expect((await readTrace(output)).length).toBeGreaterThan(0);
    });

    test.concurrent("too small, a program's own session is an error that it can catch", async () => {
      const app = `
        import { openSession, provider } from "/package/src/index.ts";
        const tick = provider("test").tracepoint("tick", [["n", "u32"]]);
        try {
          const session = await openSession({ output: "/traces/own", sessionDir: "/dev/shm/sessions" });
          for (let n = 0; n < 1e5; n++) tick(n);
          await session.close();
          const { recordsWritten, discardedTold, ringlessDiscarded } = session.info();
          console.log(recordsWritten + discardedTold + ringlessDiscarded);
        } catch (error) { console.log(error.message); }`;
      for (const [shm, words] of [
        ["8k", /^session file .* cannot be made: No space left on device; .*--session-dir\n$/],
        // Room for a session and for no ring: counted.
        ["64k", /^100000n\n$/],
      ] as const) {
        const { stdout, status } = await contain(app, { shm, command: ["/bun", "/app/app.ts"] });
        expect({ stdout, status }).toEqual({ stdout: expect.stringMatching(words), status: 0 });
      }
    });
  });
}
