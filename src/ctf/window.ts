// A window on a file's data in an arena: what scans read. Loaded in large pieces, so that small packets do not cost a
// system call each. One a stream being read; called by stream.ts, and by packet.ts for the heads of packets.
import type { Arena } from "./arena.ts";
import { SLACK } from "./runtime.ts";
import type { SourceFile } from "./source.ts";

/** Bytes in memory at a time, as long as no event is larger. */
const CAPACITY = 256 * 1024;

/** Bytes. A larger event is taken for damage. */
export const MAX_CAPACITY = 256 * 1024 * 1024;

/** Windows begin at an address, and parts of a packet at a distance from its begin, that is a multiple of this. */
export const WINDOW_ALIGN = 4096;

/** Data of one file. */
export class Window {
  readonly #arena: Arena;
  #address: number;
  #capacity = CAPACITY;
  /** Where in which file what is loaded begins, and its bytes. */
  #file: SourceFile | undefined;
  #offset = 0;
  #loaded = 0;
  /** Where what is shown begins after that, and its bytes. */
  #start = 0;
  #size = 0;

  constructor(arena: Arena) {
    this.#arena = arena;
    this.#address = this.#allocate();
  }

  /** Address of what is shown, and its bytes; there is slack after them. */
  get address(): number {
    return this.#address + this.#start;
  }

  get size(): number {
    return this.#size;
  }

  /** Bytes that can be shown at a time. */
  get capacity(): number {
    return this.#capacity;
  }

  /** Arrays over what is shown and the slack, as long as the arena does not grow. */
  arrays(): { readonly bytes: Uint8Array; readonly view: DataView } {
    const { buffer } = this.#arena.bytes;
    const length = this.#capacity + SLACK - this.#start;
    return {
      bytes: new Uint8Array(buffer, this.address, length),
      view: new DataView(buffer, this.address, length),
    };
  }

  /**
   * Shows so many bytes of a file, or as many as there is room for.
   *
   * @param align what the address is a multiple of
   * @param enough bytes that need not be loaded again when they are there already
   */
  show(file: SourceFile, offset: number, wanted: number, align: number, enough: number): void {
    const start = offset - this.#offset;
    const isThere =
      this.#file === file &&
      start >= 0 &&
      start % align === 0 &&
      this.#loaded - start >= Math.min(wanted, enough);
    if (!isThere) this.#load(file, offset);
    this.#start = isThere ? start : 0;
    this.#size = Math.min(wanted, this.#loaded - this.#start);
  }

  /** So many bytes of a file, or up to its end, if they are loaded. */
  peek(file: SourceFile, offset: number, wanted: number): Uint8Array | undefined {
    const start = offset - this.#offset;
    const count = Math.min(wanted, file.size - offset);
    if (this.#file !== file || start < 0 || start + count > this.#loaded) return undefined;
    return new Uint8Array(this.#arena.bytes.buffer, this.#address + start, count);
  }

  /** Makes room for twice as much. Nothing is shown then. */
  widen(): void {
    this.release();
    this.#capacity *= 2;
    this.#address = this.#allocate();
    this.#file = undefined;
    this.#start = 0;
    this.#size = 0;
  }

  /** Gives the memory back. */
  release(): void {
    this.#arena.release(this.#address, this.#capacity + SLACK, WINDOW_ALIGN);
  }

  #allocate(): number {
    return this.#arena.allocate(this.#capacity + SLACK, WINDOW_ALIGN);
  }

  #load(file: SourceFile, offset: number): void {
    const bytes = this.#arena.bytes.subarray(this.#address, this.#address + this.#capacity + SLACK);
    this.#file = file;
    this.#offset = offset;
    this.#loaded = file.read(bytes, offset, this.#capacity);
    bytes.fill(0, this.#loaded, this.#loaded + SLACK);
  }
}
