/**
 * `buntrace record` as a user runs it: the program behaves as without it, its trace
 * is complete, and bad input is one line and a status.
 */
import { describe, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";

import { readTrace } from "../support/babeltrace.ts";
import { cli, CLI, startCli } from "../support/cli.ts";
import { Place } from "../support/place.ts";
import { consumersOf, waitFor } from "../support/processes.ts";
import { ended } from "../support/run.ts";

const LIBRARY = join(import.meta.dirname, "../../src/index.ts");

/** A program that emits `test:tick` for 0 to its first argument. */
const EMIT = `
import { provider } from ${JSON.stringify(LIBRARY)};
const tick = provider("test").tracepoint("tick", [["n", "u32"]]);
for (let n = 0; n < Number(process.argv[2] ?? 3); n++) tick(n);
`;

function program(place: Place, source: string, name = "app.ts"): string {
  writeFileSync(join(place.dir, name), source);
  return name;
}

async function ticks(place: Place, output = "buntrace.data"): Promise<number[]> {
  const events = await readTrace(join(place.dir, output));
  return events.filter(({ name }) => name === "test:tick").map(({ fields }) => Number(fields["n"]));
}

const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

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

describe("signals", () => {
  const WAITER = `
    for (const s of ["SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGTERM"] as const)
      process.on(s, () => { console.log(s); if (s === "SIGTERM") process.exit(9); });
    console.log("ready");
    setInterval(() => {}, 1e6);`;

  test("that a process sends to the recorder reach the program, once", async () => {
    await using place = new Place();
    const recorder = startCli(place, ["record", program(place, WAITER)]);
    const reader = recorder.stdout.getReader();
    let seen = "";
    const read = async (text: string): Promise<void> => {
      while (!seen.includes(text)) {
        const { value, done } = await reader.read();
        if (done) throw new Error(`it ended before ${text}`);
        seen += new TextDecoder().decode(value);
      }
    };
    await read("ready\n");
    recorder.kill("SIGINT");
    await read("SIGINT\n");
    recorder.kill("SIGINT");
    await read("SIGINT\nSIGINT\n");
    const others = ["SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGTERM"] as const;
    for (const signal of others) {
      recorder.kill(signal);
      await read(`${signal}\n`);
    }
    await recorder.exited;
    expect(seen).toBe(["ready", "SIGINT", "SIGINT", ...others, ""].join("\n"));
    expect(recorder.exitCode).toBe(9);
  });

  test("of the terminal's Ctrl+C reach the program once, and the trace is finished", async () => {
    await using place = new Place();
    program(
      place,
      `${EMIT}
      let n = 0;
      process.on("SIGINT", () => { n++; setTimeout(() => { console.log("interrupts", n); process.exit(3); }, 300); });
      console.log("ready");
      setInterval(() => {}, 1e6);`,
    );
    // A terminal of its own: script(1) makes one, and what it is given is typed into it. With exec, or a
    // shell that waits (sh does, bash does not) is of the foreground too, and dies of the Ctrl+C.
    const terminal = Bun.spawn(
      ["script", "-qec", `exec ${process.execPath} ${CLI} record app.ts 4`, "/dev/null"],
      {
        cwd: place.dir,
        env: { ...process.env, BUNTRACE_SESSION_DIR: place.sessionDir },
        stdin: "pipe",
        stdout: "pipe",
        stderr: "pipe",
      },
    );
    const reader = terminal.stdout.getReader();
    let seen = "";
    for (let typed = false; ;) {
      const { value, done } = await reader.read();
      if (done) break;
      seen += new TextDecoder().decode(value);
      if (!typed && seen.includes("ready")) {
        typed = true;
        terminal.stdin.write("\x03");
        terminal.stdin.flush();
      }
    }
    expect(Bun.stripANSI(seen)).toContain("interrupts 1");
    expect(seen).toMatch(/buntrace: \d+ events/);
    expect(await terminal.exited).toBe(3);
    expect(await ticks(place)).toEqual(upTo(4));
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

describe("bad input is one line and a status:", () => {
  const cases: [args: string[], status: number, line: RegExp, env?: Record<string, string>][] = [
    [["record", "nope.ts"], 127, /^buntrace: nope\.ts: no such file/],
    [["record", "no-such-program"], 127, /^buntrace: no-such-program: no such program/],
    [["record", "./dir"], 126, /^buntrace: \.\/dir is not executable/],
    [["record", "./plain"], 126, /^buntrace: \.\/plain is not executable/],
    [["record"], 2, /^buntrace: missing required argument 'program'/],
    [["record", "--nope", "app.ts"], 2, /^buntrace: unknown option '--nope'/],
    [
      ["record", "--sub-buffers", "x", "app.ts"],
      2,
      /^buntrace: option '--sub-buffers <n>' argument 'x' is invalid/,
    ],
    [
      ["record", "--sub-buffers", "1", "app.ts"],
      2,
      /^buntrace: --sub-buffers 1 is not a whole number from 2 to 64/,
    ],
    [
      ["record", "--sub-buffer-size", "5000", "app.ts"],
      2,
      /^buntrace: --sub-buffer-size 5000 is not a multiple of 4096/,
    ],
    [["record", "--flush-period", "0", "app.ts"], 2, /^buntrace: --flush-period 0 is not/],
    [["record", "--mode", "x", "app.ts"], 2, /^buntrace: mode "x": use one of/],
    [
      ["record", "--max-size", "10", "app.ts"],
      2,
      /^buntrace: --max-size 10 is not a whole number of at least 2099200 \(8 sub-buffers: see --sub-buffer-size\)/,
    ],
    [
      ["record", "--max-chunks", "3", "app.ts"],
      2,
      /^buntrace: --max-chunks needs --rotate-size or --rotate-period/,
    ],
    [["record", "-e", "x[", "app.ts"], 2, /^buntrace: bad glob "x\["/],
    [["record", "-e", "x@loud", "app.ts"], 2, /^buntrace: bad level in "x@loud"/],
    [
      ["record", "-o", "foreign", "app.ts"],
      125,
      /^buntrace: output .*foreign exists and is no buntrace recording/,
    ],
    [["record", "-o", "link", "app.ts"], 125, /^buntrace: output .*link is a symbolic link/],
    [["record", "-o", "plain/x", "app.ts"], 125, /^buntrace: output .*plain\/x cannot be made/],
    [
      ["record", "--session-dir", "open", "app.ts"],
      125,
      /^buntrace: session directory .*open is open to others/,
    ],
    [
      ["record", "--sub-buffer-size", "512M", "app.ts"],
      2,
      /^buntrace: --sub-buffer-size 536870912 x --sub-buffers 8 is more than/,
    ],
    [["record", "app.ts"], 125, /BUN_JSC_useJIT=0/, { BUN_JSC_useJIT: "0" }],
    [
      ["record", "app.ts"],
      125,
      /^buntrace: its library cannot be loaded: .*no-binaries/,
      { BUNTRACE_BINARIES: "/no-binaries" },
    ],
    [["frobnicate"], 2, /^buntrace: unknown command 'frobnicate'/],
  ];

  test.each(cases)("%j gives %d", async (args, status, line, env = {}) => {
    await using place = new Place();
    program(place, `console.log("ran");`);
    program(place, "", "plain");
    chmodSync(join(place.dir, "plain"), 0o644);
    for (const dir of ["dir", "foreign", "target", "open"]) mkdirSync(join(place.dir, dir));
    chmodSync(join(place.dir, "open"), 0o755);
    program(place, "precious", "foreign/file");
    symlinkSync("target", join(place.dir, "link"));
    const result = await cli(place, args, env);
    expect(result.stdout).toBe("");
    expect(result.stderr).toMatch(line);
    expect(result.stderr.trimEnd().split("\n")).toHaveLength(1);
    expect(result.status).toBe(status);
    expect(readFileSync(join(place.dir, "foreign/file"), "utf8")).toBe("precious");
    expect(place.sessions()).toEqual([]);
  });
});
