/**
 * A private place for one test: where its trace goes and where its session files
 * lie, removed at its end together with any consumer that is left. Runs in the
 * test process.
 */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { consumersOf, waitFor } from "./processes.ts";

/** The tmpfs that session files lie on in real use, where there is one. */
const MEMORY_DIR = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();

/** Directories of one test; `await using place = new Place()`. */
export class Place implements AsyncDisposable {
  /** For the test's own files, on disk. */
  readonly dir: string = mkdtempSync(join(tmpdir(), "buntrace-test-"));
  /** For traces; made, empty. */
  readonly output: string = join(this.dir, "trace");
  /** For session files; made when a session opens. */
  readonly sessionDir: string = mkdtempSync(join(MEMORY_DIR, "buntrace-test-"));

  constructor() {
    mkdirSync(this.output);
  }

  /** Names of the session files there are. */
  sessions(): string[] {
    return existsSync(this.sessionDir)
      ? readdirSync(this.sessionDir).filter((name) => name.endsWith(".session"))
      : [];
  }

  /** Resolves when every session has been written to its end and its consumer is gone. */
  async recorded(): Promise<void> {
    await waitFor("the consumers to write the traces to their ends", () => this.sessions().length === 0);
    await waitFor("the consumers to leave", () => consumersOf(this.sessionDir).length === 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const pid of consumersOf(this.sessionDir)) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It left meanwhile.
      }
    }
    await waitFor("consumers to die", () => consumersOf(this.sessionDir).length === 0);
    rmSync(this.sessionDir, { recursive: true, force: true });
    rmSync(this.dir, { recursive: true, force: true });
  }
}
