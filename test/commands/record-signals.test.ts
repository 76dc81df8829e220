/** Signals under `buntrace record`: the program gets each once, from a process or from the terminal. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";

import { CLI, startCli } from "../support/cli.ts";
import { Place } from "../support/place.ts";
import { EMIT, program, ticks, upTo } from "./ticking.ts";

setDefaultTimeout(120_000);

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
