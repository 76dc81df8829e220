// A progress line on the terminal while a command reads a long trace. Nothing is written when stderr is no terminal, or
// when stdout is one too: there, the output itself shows it.
import type { EventBatch } from "../ctf/stream.ts";
import type { TraceSet } from "../ctf/trace.ts";

/** Milliseconds between two lines. */
const INTERVAL_MS = 200;

/** Shows how much of a trace has been read. */
export class Progress {
  readonly #total: number;
  readonly #isShown: boolean;
  readonly #read = new Map<string, number>();
  #next = performance.now() + INTERVAL_MS;
  #written = false;

  /** @param always whether to show it while stdout is a terminal, for commands that print at the end */
  constructor(set: TraceSet, always: boolean) {
    const files = set.streams.flatMap(({ firstPackets }) => firstPackets.map(({ file }) => file));
    this.#total = files.reduce((sum, { size }) => sum + size, 0);
    this.#isShown = process.stderr.isTTY === true && (always || process.stdout.isTTY !== true);
  }

  /** Tells which batch is being worked on. */
  at({ packet }: EventBatch): void {
    if (!this.#isShown) return;
    this.#read.set(packet.file.path, packet.offset);
    const now = performance.now();
    if (now < this.#next) return;
    this.#next = now + INTERVAL_MS;
    const read = [...this.#read.values()].reduce((sum, size) => sum + size, 0);
    process.stderr.write(
      `\r${Math.floor((read / this.#total) * 100)} % of ${Math.round(this.#total / 1e6)} MB read\x1b[K`,
    );
    this.#written = true;
  }

  /** Clears the line. */
  end(): void {
    if (this.#written) process.stderr.write("\r\x1b[K");
    this.#written = false;
  }
}
