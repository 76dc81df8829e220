/**
 * LTTng for tests and for the comparison: a session daemon of one's own, and the
 * recording of programs by it. Fails where LTTng is missing. Runs in the test's or
 * the bench's process.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Held while a daemon of root's runs. */
const LOCK = join(tmpdir(), "buntrace-lttng.lock");

/** A recording: of what it is called in the session, and in which directory it is. */
export interface Recording {
  readonly name: string;
  /** Default: below the daemon's directory. */
  readonly output?: string;
  /** Options of the channel. */
  readonly channel: readonly string[];
  /** Event types, as `app:*`. */
  readonly events: string;
  readonly contexts?: readonly string[];
}

/** A session daemon of its own, with its files apart from those of other sessions of the machine. */
export class Lttng implements AsyncDisposable {
  /** What traced programs and the commands of LTTng need to find the daemon. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  #daemon: Bun.Subprocess | undefined;
  #lock: Bun.PipedSubprocess | undefined;

  /** @param dir of a daemon that runs already, or of one to be started */
  constructor(readonly dir: string = mkdtempSync(join(tmpdir(), "buntrace-lttng-"))) {
    this.environment = {
      ...process.env,
      LTTNG_HOME: dir,
      LTTNG_UST_HOME: dir,
      LTTNG_UST_REGISTER_TIMEOUT: "-1",
    };
  }

  /**
   * Starts the daemon, when no other of these runs.
   * @throws Error when LTTng or gcc is missing, or the daemon does not answer
   */
  async start(): Promise<void> {
    for (const tool of ["lttng", "lttng-sessiond", "gcc"]) {
      if (Bun.which(tool) === null)
        throw new Error(`${tool} is missing: apt-get install lttng-tools liblttng-ust-dev gcc libc6-dev`);
    }
    mkdirSync(this.dir, { recursive: true });
    await this.#alone();
    const errors = join(this.dir, "daemon-errors");
    this.#daemon = Bun.spawn(["lttng-sessiond", "--no-kernel"], {
      env: this.environment,
      stdout: "ignore",
      stderr: Bun.file(errors),
    });
    for (let attempt = 0; attempt < 200; attempt += 1) {
      if (this.#daemon.exitCode !== null)
        throw new Error(`lttng-sessiond ended: ${readFileSync(errors, "utf8")}`);
      const ready = Bun.spawn(["lttng", "--no-sessiond", "list"], {
        env: this.environment,
        stdout: "ignore",
        stderr: "ignore",
      });
      if ((await ready.exited) === 0) return;
      await Bun.sleep(50);
    }
    throw new Error("lttng-sessiond does not answer");
  }

  /** Root has one daemon a machine, in /run/lttng, whatever the environment says: the next one waits for its end. */
  async #alone(): Promise<void> {
    if (process.getuid?.() !== 0) return;
    // Ends, and gives the lock back, when its input does: at the latest when this process ends.
    this.#lock = Bun.spawn(["flock", "--no-fork", LOCK, "sh", "-c", "echo held; exec cat"], {
      stdin: "pipe",
      stdout: "pipe",
      stderr: "pipe",
    });
    const { done } = await this.#lock.stdout.getReader().read();
    if (done) throw new Error(`${LOCK} cannot be held: ${await this.#lock.stderr.text()}`);
  }

  /** Runs a command with the daemon's environment. @returns its stdout. @throws Error when it fails */
  async run(...command: string[]): Promise<string> {
    const child = Bun.spawn(command, { env: this.environment, stdout: "pipe", stderr: "pipe" });
    const [stdout, stderr, status] = await Promise.all([
      child.stdout.text(),
      child.stderr.text(),
      child.exited,
    ]);
    if (status !== 0) throw new Error(`${command.join(" ")} ended with ${status}: ${stdout}${stderr}`);
    return stdout;
  }

  /** Compiles a C file and what it includes of its directory. @returns the path of what is made */
  async compile(source: string, name: string, ...options: string[]): Promise<string> {
    const made = join(this.dir, name);
    const libraries = ["-llttng-ust", "-ldl", "-lpthread"];
    await this.run("gcc", "-O2", ...options, "-o", made, "-I", join(source, ".."), source, ...libraries);
    return made;
  }

  /** Records what processes emit while `use` runs. @returns the trace's directory */
  async record(recording: Recording, use: () => Promise<unknown>): Promise<string> {
    const { name, events, contexts = [], output = join(this.dir, name) } = recording;
    await this.run("lttng", "create", name, `--output=${output}`);
    try {
      await this.run("lttng", "enable-channel", "--userspace", ...recording.channel, "ch");
      await this.run("lttng", "enable-event", "--userspace", "--channel=ch", events);
      for (const context of contexts)
        await this.run("lttng", "add-context", "--userspace", "--channel=ch", `--type=${context}`);
      await this.run("lttng", "start");
      await use();
      await this.run("lttng", "stop");
    } finally {
      await this.run("lttng", "destroy", "--no-wait", name); // stop has waited for the data
    }
    return output;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#daemon?.kill("SIGTERM");
    await this.#daemon?.exited;
    this.#lock?.kill();
    await this.#lock?.exited;
    rmSync(this.dir, { recursive: true, force: true });
  }
}
