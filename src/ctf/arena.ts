// The memory that generated WebAssembly reads and writes: windows of streams' data, the events found in them, columns.
// One for each reading of a trace set, so that all is given back when its readers are forgotten.
import { SLACK } from "./runtime.ts";

/** Bytes of a page of WebAssembly's memory. */
const PAGE = 65_536;

/** Bytes by which a memory grows, or a multiple. */
const GROWTH = 16 * PAGE;

/** Pages. The end of the 4 GiB that addresses reach stays free, so that adding to one does not wrap. */
export const MAX_PAGES = 65_536 - 1024;

/** Bytes to which what is allocated is aligned: a cache line. */
const LINE = 64;

/** Bytes between what is allocated, lest rows of many columns meet in the same place of a cache. */
const GAP = 2 * LINE;

/** A growing memory. */
export class Arena {
  readonly memory = new WebAssembly.Memory({ initial: 1, maximum: MAX_PAGES });
  /** All of it; other objects after it grew. */
  bytes = new Uint8Array(this.memory.buffer);
  view = new DataView(this.memory.buffer);
  #top = LINE;
  /** What was given back, by size and alignment. */
  readonly #free = new Map<string, number[]>();
  readonly #growing = new Set<() => void>();

  /**
   * The address of so many bytes, a multiple of `align`, a power of two. What is there is not known.
   *
   * @throws RangeError when the memory cannot grow
   */
  allocate(size: number, align: number = LINE): number {
    const free = this.#free.get(`${size} ${align}`)?.pop();
    if (free !== undefined) return free;
    const address = Math.ceil(this.#top / align) * align;
    const top = address + Math.ceil(size / LINE) * LINE + GAP;
    const missing = top + SLACK - this.bytes.length;
    if (missing > 0) {
      this.memory.grow(Math.ceil(missing / GROWTH) * (GROWTH / PAGE));
      this.bytes = new Uint8Array(this.memory.buffer);
      this.view = new DataView(this.memory.buffer);
      for (const refresh of this.#growing) refresh();
    }
    this.#top = top;
    return address;
  }

  /** Takes back what was allocated with that size and alignment. */
  release(address: number, size: number, align: number = LINE): void {
    const key = `${size} ${align}`;
    const addresses = this.#free.get(key);
    if (addresses === undefined) this.#free.set(key, [address]);
    else addresses.push(address);
  }

  /** Calls a function whenever arrays over the memory have to be made again. */
  onGrow(refresh: () => void): void {
    this.#growing.add(refresh);
  }

  /** Undoes {@link onGrow}. */
  offGrow(refresh: () => void): void {
    this.#growing.delete(refresh);
  }
}
