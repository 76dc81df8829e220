/**
 * LTTng for tests: a session daemon of the test's own, and the recording of programs
 * by it. Fails where LTTng is missing. Runs in the test process.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A session daemon of its own, with its files apart from those of other sessions of the machine. */
export class Lttng implements AsyncDisposable {
  readonly dir: string = mkdtempSync(join(tmpdir(), "buntrace-lttng-"));
  readonly #environment = {
    ...process.env,
    LTTNG_HOME: this.dir,
    LTTNG_UST_HOME: this.dir,
    LTTNG_RUNDIR: join(this.dir, "run"),
    LTTNG_UST_REGISTER_TIMEOUT: "-1",
  };
  #daemon: Bun.Subprocess | undefined;

  /** Starts the daemon. @throws Error when LTTng or gcc is missing, or the daemon does not answer */
  async start(): Promise<void> {
    for (const tool of ["lttng", "lttng-sessiond", "gcc"]) {
      if (Bun.which(tool) === null)
        throw new Error(`${tool} is missing: apt-get install lttng-tools liblttng-ust-dev gcc`);
    }
    this.#daemon = Bun.spawn(["lttng-sessiond", "--no-kernel"], {
      env: this.#environment,
      stdout: "ignore",
      stderr: "ignore",
    });
    for (let attempt = 0; attempt < 100; attempt += 1) {
      const ready = Bun.spawn(["lttng", "list"], {
        env: this.#environment,
        stdout: "ignore",
        stderr: "ignore",
      });
      if ((await ready.exited) === 0) return;
      await Bun.sleep(50);
    }
    throw new Error("lttng-sessiond does not answer");
  }

  /** Runs a command with the daemon's environment. @returns its stdout. @throws Error when it fails */
  async run(...command: string[]): Promise<string> {
    const child = Bun.spawn(command, { env: this.#environment, stdout: "pipe", stderr: "pipe" });
    const [stdout, stderr, status] = await Promise.all([
      child.stdout.text(),
      child.stderr.text(),
      child.exited,
    ]);
    if (status !== 0) throw new Error(`${command.join(" ")} ended with ${status}: ${stdout}${stderr}`);
    return stdout;
  }

  /** Compiles a program from `app.c` and what it includes in a directory. @returns its path */
  async compile(sources: string, name: string): Promise<string> {
    const program = join(this.dir, name);
    const app = join(sources, "app.c");
    await this.run("gcc", "-O1", "-o", program, "-I", sources, app, "-llttng-ust", "-ldl", "-lpthread");
    return program;
  }

  /** Records a program's run, with these options and contexts of the channel. @returns the trace's directory */
  async record(
    name: string,
    program: readonly string[],
    channel: readonly string[],
    contexts: readonly string[],
  ): Promise<string> {
    const output = join(this.dir, name);
    await this.run("lttng", "create", name, `--output=${output}`);
    await this.run("lttng", "enable-channel", "--userspace", ...channel, "ch");
    await this.run("lttng", "enable-event", "--userspace", "--channel=ch", "app:*");
    for (const context of contexts)
      await this.run("lttng", "add-context", "--userspace", "--channel=ch", `--type=${context}`);
    await this.run("lttng", "start");
    await this.run(...program);
    await this.run("lttng", "stop");
    await this.run("lttng", "destroy", name);
    return output;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#daemon?.kill("SIGTERM");
    await this.#daemon?.exited;
    rmSync(this.dir, { recursive: true, force: true });
  }
}
