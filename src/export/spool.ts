// Texts that grow side by side and are wanted one after the other: kept in a temporary file. Used by speedscope.ts.
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Output } from "../report/output.ts";

/** Characters of all texts kept in memory before they are written. */
const MAX_HELD = 4 * 1024 * 1024;

/** Characters of one text that are worth a write. */
const CHUNK = 64 * 1024;

interface Text {
  held: string;
  /** Where its parts are in the file: positions and lengths, one after the other. */
  readonly parts: number[];
}

/**
 * A temporary file of several texts. It has no name from the start, so that nothing is left of it however the process
 * ends. Memory: the texts' last characters, and two numbers for each 64 KiB.
 */
export class Spool implements Disposable {
  readonly #descriptor: number;
  readonly #texts: Text[] = [];
  #held = 0;
  #size = 0;

  constructor() {
    const directory = mkdtempSync(join(tmpdir(), "buntrace-"));
    try {
      this.#descriptor = openSync(join(directory, "spool"), "wx+");
    } finally {
      rmSync(directory, { recursive: true });
    }
  }

  /** Adds to a text; texts are numbered from 0 without gaps. */
  write(text: number, part: string): void {
    const entry = (this.#texts[text] ??= { held: "", parts: [] });
    entry.held += part;
    this.#held += part.length;
    if (entry.held.length >= CHUNK) this.#store(entry);
    else if (this.#held >= MAX_HELD) for (const each of this.#texts) this.#store(each);
  }

  /** Writes a whole text to an output. */
  copy(text: number, out: Output): void {
    const entry = this.#texts[text];
    if (entry === undefined) return;
    for (let at = 0; at < entry.parts.length; at += 2) {
      const [position = 0, length = 0] = entry.parts.slice(at, at + 2);
      const bytes = new Uint8Array(length);
      readSync(this.#descriptor, bytes, 0, length, position);
      out.putBytes(bytes);
    }
    out.write(entry.held);
  }

  [Symbol.dispose](): void {
    closeSync(this.#descriptor);
  }

  #store(entry: Text): void {
    if (entry.held === "") return;
    const bytes = Buffer.from(entry.held);
    for (let from = 0; from < bytes.length;)
      from += writeSync(this.#descriptor, bytes, from, bytes.length - from);
    entry.parts.push(this.#size, bytes.length);
    this.#size += bytes.length;
    this.#held -= entry.held.length;
    entry.held = "";
  }
}
