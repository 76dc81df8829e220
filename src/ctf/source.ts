// Reads stretches of a trace's files. Files are opened when first read and a bounded number stays open, so that a trace
// of thousands of streams needs no thousands of descriptors. Synchronous: the decoders wait for the data anyhow.
import { closeSync, fstatSync, openSync, readSync } from "node:fs";

/** Files open at a time; the usual limit of a process is 1024. */
const MAX_OPEN = 256;

/** Open files, the one read longest ago first. */
const open = new Map<SourceFile, number>();

/** A file of a trace. Its size is what it was when the object was made; what is written later is not read. */
export class SourceFile {
  readonly path: string;
  /** Bytes. */
  readonly size: number;

  /** @throws the system's error when the file cannot be opened */
  constructor(path: string) {
    this.path = path;
    this.size = fstatSync(this.#descriptor()).size;
  }

  /** Reads `length` bytes at `offset` to the start of `target`; returns how many there were. */
  read(target: Uint8Array, offset: number, length: number): number {
    const descriptor = this.#descriptor();
    const wanted = Math.max(0, Math.min(length, this.size - offset));
    let done = 0;
    while (done < wanted) {
      const count = readSync(descriptor, target, done, wanted - done, offset + done);
      if (count === 0) break;
      done += count;
    }
    return done;
  }

  /** Closes the file; reading opens it again. */
  close(): void {
    const descriptor = open.get(this);
    if (descriptor === undefined) return;
    open.delete(this);
    closeSync(descriptor);
  }

  #descriptor(): number {
    const before = open.get(this);
    if (before !== undefined) {
      if (open.size === MAX_OPEN) {
        open.delete(this);
        open.set(this, before);
      }
      return before;
    }
    if (open.size >= MAX_OPEN)
      for (const oldest of open.keys()) {
        oldest.close();
        break;
      }
    const descriptor = openSync(this.path, "r");
    open.set(this, descriptor);
    return descriptor;
  }
}
