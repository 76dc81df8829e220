/**
 * A recorded program that does what a test tells it, programs/obedient.ts, as the
 * test has it. Runs in the test process.
 */
import { join } from "node:path";

import type { SessionOptions } from "../../src/index.ts";
import type { Place } from "../support/place.ts";
import { start } from "../support/run.ts";

const PROGRAM = join(import.meta.dirname, "programs/obedient.ts");

/** What the program says of itself. */
export interface State {
  readonly emitted: number;
  readonly recorded: number;
  /** Of what is recorded. */
  readonly bytes: number;
  readonly discarded: number;
  readonly dropped: number;
  readonly writeErrno: number;
}

/** A recorded program that does what it is told. */
export class Obedient {
  readonly #program;
  readonly #lines: AsyncIterator<string>;

  constructor(place: Place, session: SessionOptions) {
    this.#program = start(place, PROGRAM, { session, stdin: "pipe" });
    this.#lines = linesOf(this.#program.stdout);
  }

  async tell(command: string): Promise<State> {
    const { stdin } = this.#program;
    if (stdin === undefined) throw new Error("no input");
    stdin.write(`${command}\n`);
    await stdin.flush();
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error(`it ended: ${await this.#program.stderr.text()}`);
    return JSON.parse(value) as State;
  }

  /** Asks it until its state is what is waited for. */
  async until(what: string, holds: (state: State) => boolean): Promise<State> {
    for (let asked = 0; asked < 5000; asked++) {
      const state = await this.tell("info");
      if (holds(state)) return state;
      await Bun.sleep(2);
    }
    throw new Error(`in vain: ${what}`);
  }

  /** Lets it end, by SIGKILL. @returns what it wrote to stderr. */
  async end(): Promise<string> {
    void this.#program.stdin?.end();
    const stderr = await this.#program.stderr.text();
    await this.#program.exited;
    return stderr;
  }
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of stream) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
}
