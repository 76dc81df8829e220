// Buffered bytes on their way to a file descriptor: where the text of events is made. Generated code writes into `bytes`
// directly; see text-sink.ts. One thread, synchronous, so that a slow reader slows the writer and memory stays flat.
import { writeSync } from "node:fs";
import { fileError } from "../errors.ts";

/** Bytes collected before they are written. */
const CAPACITY = 256 * 1024;

/** Bytes of a buffer without a descriptor, at first. */
const FIRST_CAPACITY = 1024;

/** Bytes behind the room asked for: literals are stored four bytes at a time. */
const MARGIN = 64;

/** The reader of the output has closed it, as `head` does when it has enough: an end, and no error. */
export class OutputClosed extends Error {
  override name = "OutputClosed";
}

/** A buffer before a file descriptor, or without one: then all that was written stays in it. */
export class Output {
  readonly #descriptor: number | undefined;
  readonly #name: string;
  /** What was not written yet, up to {@link at}. */
  bytes: Uint8Array<ArrayBuffer>;
  view: DataView;
  at = 0;
  /** `at` must not pass this without {@link room}. */
  limit: number;

  /** @param name of what the descriptor is of, for errors */
  constructor(descriptor: number | undefined, name = "stdout") {
    this.#descriptor = descriptor;
    this.#name = name;
    this.limit = descriptor === undefined ? FIRST_CAPACITY : CAPACITY;
    this.bytes = new Uint8Array(this.limit + MARGIN);
    this.view = new DataView(this.bytes.buffer);
  }

  /**
   * Makes room for so many bytes after {@link at}; may write out and replace {@link bytes}.
   *
   * @throws OutputClosed when nobody reads any more; UserError when it cannot be written, as on a full disk
   */
  room(count: number): void {
    if (this.at + count <= this.limit) return;
    if (this.#descriptor !== undefined) this.flush();
    if (this.at + count <= this.limit) return;
    const before = this.bytes.subarray(0, this.at);
    this.limit = (this.at + count) * 2;
    this.bytes = new Uint8Array(this.limit + MARGIN);
    this.view = new DataView(this.bytes.buffer);
    this.bytes.set(before);
  }

  /** Adds text. */
  write(text: string): void {
    this.room(text.length * 3);
    this.at += encoder.encodeInto(text, this.bytes.subarray(this.at)).written;
  }

  /** Adds prepared bytes. */
  put(prepared: Prepared): void {
    this.room(prepared.length);
    this.at = prepared.put(this.view, this.at);
  }

  /** Adds bytes. */
  putBytes(bytes: Uint8Array): void {
    if (this.#descriptor !== undefined && bytes.length > this.limit) {
      this.flush();
      this.#writeOut(this.#descriptor, bytes);
      return;
    }
    this.room(bytes.length);
    this.bytes.set(bytes, this.at);
    this.at += bytes.length;
  }

  /** Writes out what there is. @throws as {@link room} */
  flush(): void {
    if (this.#descriptor === undefined) return;
    this.#writeOut(this.#descriptor, this.bytes.subarray(0, this.at));
    this.at = 0;
  }

  #writeOut(descriptor: number, bytes: Uint8Array): void {
    let from = 0;
    while (from < bytes.length) {
      try {
        from += writeSync(descriptor, bytes, from, bytes.length - from);
      } catch (error) {
        const code = error instanceof Error && "code" in error ? error.code : undefined;
        if (code === "EPIPE") throw new OutputClosed();
        // A pipe that is not blocking and full.
        if (code !== "EAGAIN") throw fileError(this.#name, error);
        Bun.sleepSync(1);
      }
    }
  }
}

/** Bytes prepared for being written often: stored as words, four bytes at a time. */
export class Prepared {
  readonly length: number;
  readonly #words: Uint32Array;

  constructor(bytes: Uint8Array) {
    this.length = bytes.length;
    const padded = new Uint8Array(Math.ceil(bytes.length / 4) * 4);
    padded.set(bytes);
    const view = new DataView(padded.buffer);
    this.#words = Uint32Array.from({ length: padded.length / 4 }, (_none, at) =>
      view.getUint32(at * 4, true),
    );
  }

  /** Prepares text. */
  static of(text: string): Prepared {
    return new Prepared(encoder.encode(text));
  }

  /** Stores the bytes, and up to three zeros after them; returns the place after the bytes. */
  put(view: DataView, at: number): number {
    const words = this.#words;
    for (let index = 0; index < words.length; index += 1)
      view.setUint32(at + index * 4, words[index] ?? 0, true);
    return at + this.length;
  }
}

const encoder = new TextEncoder();
