/**
 * `buntrace record` as a user runs it: the program behaves as without it, and its trace
 * is complete.
 */
import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { cli, startCli } from "../support/cli.ts";
import { Place } from "../support/place.ts";
import { consumersOf, waitFor } from "../support/processes.ts";
import { ended } from "../support/run.ts";
import { EMIT, program, ticks, upTo } from "./ticking.ts";

describe("the program", () => {
  const cases: [what: string, source: string, args: string[]][] = [
    [
      "prints and ends well",
      `console.log("out", process.argv.slice(2)); console.error("err");`,
      ["-x", "--output", "a b", ""],
    ],
    ["sets its exit status", `process.exitCode = 7;`, []],
    ["exits with a status", `process.exit(125);`, []],
    ["throws", `console.log(1); throw new TypeError("no");`, []],
    ["rejects", `await Promise.reject(new Error("late"));`, []],
    ["reads its input", `console.log((await Bun.stdin.text()).length);`, []],
    ["dies by SIGKILL", `process.kill(process.pid, "SIGKILL"); await Bun.sleep(1e6);`, []],
    ["dies by SIGTERM", `process.kill(process.pid, "SIGTERM"); await Bun.sleep(1e6);`, []],
    [
      "handles SIGUSR1 and SIGUSR2 itself",
      `
      for (const s of ["SIGUSR1", "SIGUSR2"] as const) {
        const got = new Promise<void>((done) => process.once(s, () => { console.log(s); done(); }));
        process.kill(process.pid, s);
        await got;
      }`,
      [],
    ],
    ["ends by a signal that has no name", "process.kill(process.pid, 40);", []],
    [
      "has children and sees their SIGCHLD",
      `
      let n = 0;
      process.on("SIGCHLD", () => n++);
      await Bun.sleep(50);
      console.log(n);`,
      [],
    ],
  ];

  test.each(cases)("%s as without the recorder", async (_, source, args) => {
    await using place = new Place();
    const name = program(place, source);
    const plain = await ended(
      Bun.spawn([process.execPath, name, ...args], {
        cwd: place.dir,
        stdin: "ignore",
        stdout: "pipe",
        stderr: "pipe",
        env: { ...process.env, NO_COLOR: "1" },
      }),
    );
    const traced = await cli(place, ["record", name, ...args]);
    const lines = traced.stderr.trimEnd().split("\n");
    expect(lines.at(-1)).toMatch(/^buntrace: \d/);
    expect({ ...traced, pid: 0, stderr: lines.slice(0, -1).join("\n") }).toEqual({
      ...plain,
      pid: 0,
      stderr: plain.stderr.trimEnd(),
    });
  });

  test("is traced, the last line says how much", async () => {
    await using place = new Place();
    const { stderr, status } = await cli(place, ["record", "-e", "test:*", program(place, EMIT), "20000"]);
    expect(status).toBe(0);
    expect(stderr).toMatch(
      /^buntrace: 20,000 events, \d+(\.\d+)? [kM]B, 1 stream, 0 lost -> \.\/buntrace\.data\n$/,
    );
    expect(await ticks(place)).toEqual(upTo(20000));
    expect(place.sessions()).toEqual([]);
    await waitFor("the consumer to leave", () => consumersOf(place.sessionDir).length === 0);
  });

  test("may be bun with arguments: bun test, bun run SCRIPT", async () => {
    await using place = new Place();
    program(place, EMIT);
    program(
      place,
      `import { test } from "bun:test";\n${EMIT.replace("process.argv[2] ?? 3", "5")}\ntest("t", () => tick(5));`,
      "a.test.ts",
    );
    writeFileSync(join(place.dir, "package.json"), `{"scripts":{"dev":"bun app.ts 4"}}`);
    expect((await cli(place, ["record", "-o", "t1", "bun", "test", "a.test.ts"])).status).toBe(0);
    expect(await ticks(place, "t1")).toEqual(upTo(6));
    expect((await cli(place, ["record", "-o", "t2", "bun", "run", "dev"])).status).toBe(0);
    expect(await ticks(place, "t2")).toEqual(upTo(4));
  });

  test("may be bun's own: bun -e, whose trace has bun's name", async () => {
    await using place = new Place();
    expect((await cli(place, ["record", "bun", "-e", "1"])).stderr).toMatch(/^buntrace: \d+ events/);
    expect(readdirSync(join(place.dir, "buntrace.data"))).toEqual([expect.stringMatching(/^bun-\d+$/)]);
  });

  test("may be an executable made by bun build --compile", async () => {
    await using place = new Place();
    const name = program(place, EMIT);
    const build = Bun.spawnSync([process.execPath, "build", "--compile", name, "--outfile", "compiled"], {
      cwd: place.dir,
    });
    expect(build.exitCode).toBe(0);
    const { stderr, status } = await cli(place, ["record", "-e", "test:*", "./compiled", "6"]);
    expect(stderr).toStartWith("buntrace: 6 events");
    expect(status).toBe(0);
    expect(await ticks(place)).toEqual(upTo(6));
  });

  test("that is no Bun program runs, and the last line says that nothing was recorded", async () => {
    await using place = new Place();
    const { stdout, stderr, status } = await cli(place, ["record", "/bin/echo", "-n", "hello"]);
    expect({ stdout, status }).toEqual({ stdout: "hello", status: 0 });
    expect(stderr).toBe(
      "buntrace: nothing was recorded: the program is no Bun program, or a line above says why\n",
    );
  });

  test("lies in a directory with spaces, and so does the output", async () => {
    await using place = new Place();
    mkdirSync(join(place.dir, "a b"));
    const { status } = await cli(place, ["record", "-o", "o p", program(place, EMIT, "a b/app.ts"), "9"]);
    expect(status).toBe(0);
    expect(await ticks(place, "o p")).toEqual(upTo(9));
  });
});

describe("a program in the background", () => {
  test("is recorded to its end, long after the recorder's", async () => {
    await using place = new Place();
    program(
      place,
      `${EMIT}\nwhile (!(await Bun.file("go").exists())) await Bun.sleep(5);\ntick(99);`,
      "late.ts",
    );
    program(
      place,
      `Bun.spawn([process.execPath, "late.ts", "5"], { stdio: ["ignore", "ignore", "ignore"], detached: true }).unref();
      while (!require("node:fs").existsSync("buntrace.data") || require("node:fs").readdirSync("buntrace.data").length < 2)
        await Bun.sleep(5);
      process.exit();`,
    );
    const { stderr, status } = await cli(place, ["record", "-e", "test:*", "app.ts"]);
    expect(status).toBe(0);
    expect(stderr).toEndWith("; 1 program still running, still recorded\n");
    // The recorder has taken its own program's session file with it, and no other.
    expect(place.sessions()).toHaveLength(1);
    writeFileSync(join(place.dir, "go"), "");
    await place.recorded();
    expect(await ticks(place)).toEqual([...upTo(5), 99]);
  });
});

describe("two recorders with one session directory", () => {
  test("count their own programs, and remove their own session files", async () => {
    await using place = new Place();
    program(place, `${EMIT}\nconsole.log("ready");\nawait Bun.stdin.text();`, "long.ts");
    const long = startCli(place, ["record", "-e", "test:*", "-o", "long", "long.ts", "7"]);
    await long.stdout.getReader().read();
    const { stderr } = await cli(place, ["record", "-e", "test:*", program(place, EMIT), "4"]);
    expect(stderr).toMatch(/^buntrace: 4 events, .* 1 stream, 0 lost -> \.\/buntrace\.data\n$/);
    expect(place.sessions()).toHaveLength(1);
    long.stdin.end();
    expect(await long.stderr.text()).toMatch(/^buntrace: 7 events, .* -> \.\/long\n$/);
  });
});

describe("the options", () => {
  test("all reach the program's session", async () => {
    await using place = new Place();
    program(
      place,
      `import { readdirSync, readFileSync } from "node:fs";
      import { SESSION_OFFSETS as at } from ${JSON.stringify(join(import.meta.dirname, "../../src/record/session-file.ts"))};
      const [name] = readdirSync(process.argv[2]);
      const header = readFileSync(process.argv[2] + "/" + name);
      const u64 = (at) => Number(header.readBigUInt64LE(at));
      console.log(JSON.stringify({
        mode: header[at.mode], subBuffers: header[at.sub_buffers], subBufferSize: u64(at.sub_buffer_size),
        flush: u64(at.flush_period_ns) / 1e6, block: u64(at.block_timeout_ns) / 1e6,
        maxSize: u64(at.max_size), whenFull: header[at.when_full], rotateSize: u64(at.rotate_size),
        rotatePeriod: u64(at.rotate_period_ns) / 1e6, maxChunks: header[at.max_chunks],
      }));`,
    );
    const dir = join(place.sessionDir, "own");
    const options =
      "--mode block --sub-buffers 5 --sub-buffer-size 8K --flush-period 1500ms --block-timeout 3m " +
      "--max-size 2M --when-full stop --rotate-size 3G --rotate-period 2h --max-chunks 9";
    const { stdout } = await cli(place, [
      "record",
      ...options.split(" "),
      "--session-dir",
      dir,
      "app.ts",
      dir,
    ]);
    expect(JSON.parse(stdout)).toEqual({
      mode: 2,
      subBuffers: 5,
      subBufferSize: 8192,
      flush: 1500,
      block: 180_000,
      maxSize: 2 ** 21,
      whenFull: 1,
      rotateSize: 3 * 2 ** 30,
      rotatePeriod: 7_200_000,
      maxChunks: 9,
    });
  });
});

describe("the output", () => {
  test("that is there becomes .old, the one before goes, nothing is mixed", async () => {
    await using place = new Place();
    const name = program(place, EMIT);
    for (const n of ["1", "2", "3"]) await cli(place, ["record", name, n]);
    expect(await ticks(place)).toEqual(upTo(3));
    expect(await ticks(place, "buntrace.data.old")).toEqual(upTo(2));
    expect(readdirSync(join(place.dir, "buntrace.data"))).toHaveLength(1);
  });

  test("that is there stays where nothing is recorded over it", async () => {
    await using place = new Place();
    const name = program(place, EMIT);
    await cli(place, ["record", name, "4"]);
    writeFileSync(join(place.dir, "no-executable"), "\x7fELF", { mode: 0o755 });
    for (const nothing of ["/bin/true", "./no-executable"]) {
      await cli(place, ["record", nothing]);
      expect(await ticks(place)).toEqual(upTo(4));
      expect(existsSync(join(place.dir, "buntrace.data.old"))).toBe(false);
    }
    await cli(place, ["record", name, "5"]);
    expect([await ticks(place), await ticks(place, "buntrace.data.old")]).toEqual([upTo(5), upTo(4)]);
  });

  test("null writes nothing and still counts", async () => {
    await using place = new Place();
    const { stderr } = await cli(place, [
      "record",
      "-e",
      "test:*",
      "-o",
      "null",
      program(place, EMIT),
      "1000",
    ]);
    expect(stderr).toBe(
      "buntrace: 1,000 events, 20.0 kB, 0 streams, 0 lost -> nowhere (--output null)\n".replace(
        "20.0 kB",
        stderr.split(", ")[1]!,
      ),
    );
    expect(existsSync(join(place.dir, "buntrace.data"))).toBe(false);
  });

  test("tells that no event type matches the globs, and which there are; not where one does", async () => {
    await using place = new Place();
    const last = async (...args: string[]): Promise<string> =>
      (await cli(place, ["record", ...args])).stderr.replace(/^.* lost -> [^;\n]*/s, "");
    const name = program(place, EMIT);
    const missed = await last("-e", "tset:*", "-e", "test:tock", name);
    expect(missed).toStartWith("; no event type of the program matches -e 'tset:*' -e 'test:tock': it has ");
    expect(missed.trim().split("it has ")[1]?.split(", ")).toContain("test:*");
    expect(await last("-e", "*@alert", "-o", "null", name)).toContain("matches -e '*@alert': it has ");
    // One of two does; it does, and emits nothing; no glob.
    expect(await last("-e", "tset:*", "-e", "test:*", name)).toBe("\n");
    expect(await last("-e", "test:*", name, "0")).toBe("\n");
    expect(await last(name)).toBe("\n");
  });

  test("tells what was lost and which option helps", async () => {
    await using place = new Place();
    const args = ["--sub-buffer-size", "4K", "--sub-buffers", "2", program(place, EMIT), "300000"];
    const { stderr } = await cli(place, ["record", "-e", "test:*", ...args]);
    const [, recorded, lost] =
      /^buntrace: ([\d,]+) events, .* ([\d,]+) lost -> .*; .*--sub-buffers/.exec(stderr) ?? [];
    expect(Number(recorded?.replaceAll(",", "")) + Number(lost?.replaceAll(",", ""))).toBe(300000);
  });
});

describe("the environment", () => {
  test("a preload of the user's own, and BUN_OPTIONS, still work", async () => {
    await using place = new Place();
    program(place, `console.log("theirs");`, "theirs.ts");
    program(place, `console.log("app");`);
    const { stdout } = await cli(place, ["record", "app.ts"], {
      BUN_OPTIONS: `--preload=${join(place.dir, "theirs.ts")}`,
    });
    // The command itself is a Bun program, too.
    expect(stdout).toBe("theirs\ntheirs\napp\n");
  });

  test("without the command: --preload records into ./buntrace.data", async () => {
    await using place = new Place();
    program(place, EMIT);
    const preload = join(import.meta.dirname, "../../src/preload.ts");
    const child = Bun.spawnSync([process.execPath, "--preload", preload, "app.ts", "5"], {
      cwd: place.dir,
      env: { ...process.env, BUNTRACE_SESSION_DIR: place.sessionDir },
    });
    expect(child.stderr.toString()).toBe("");
    await place.recorded();
    expect(await ticks(place)).toEqual(upTo(5));
  });
});
