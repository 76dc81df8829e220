// Lanes: rows of a thread in which spans nest. The spans of a thread are no stack, since work that waits overlaps other work;
// viewers draw stacks. So each span is put on a lane where it nests at any time. Used by the formats that viewers draw.
import type { Span, Thread } from "../spans/index.ts";

/** A row of spans that nest. */
export interface Lane {
  readonly thread: Thread;
  /** Number in its thread, from 0; low numbers are used first. */
  readonly index: number;
}

/** A span that had to leave its lane, because one around it ended before. */
export interface Move {
  readonly span: Span;
  readonly from: Lane;
  readonly to: Lane;
}

class Row implements Lane {
  readonly thread: Thread;
  readonly index: number;
  /** Running spans, the innermost last. */
  stack: Span[] = [];
  /** When the last span left. */
  freeSince = -Infinity;

  constructor(thread: Thread, index: number) {
    this.thread = thread;
    this.index = index;
  }
}

interface ThreadRows {
  readonly rows: Row[];
  /** Indexes of those without a running span, in descending order. */
  readonly free: number[];
}

/**
 * Puts spans on lanes as they begin, in the order of time. A span comes to lie on its parent's lane when nothing else
 * runs inside the parent there, and it began after the parent (at one time, nothing would say which is inside); else on a
 * lane of its own. Where a span ends before one on top of it, that one moves to another lane.
 *
 * Memory: the lanes, of which there are as many as spans ever ran at once in a thread, and the running spans.
 */
export class Lanes {
  readonly #threads = new Map<Thread, ThreadRows>();
  readonly #rows = new Map<Span, Row>();
  readonly #movedWhole: boolean;

  /** @param movedWhole whether a span that moves needs a lane that is free since its begin, and not from now on */
  constructor(movedWhole: boolean) {
    this.#movedWhole = movedWhole;
  }

  begin(span: Span): Lane {
    const row = this.#rowAround(span) ?? this.#freeRow(span.thread, span.start);
    row.stack.push(span);
    this.#rows.set(span, row);
    return row;
  }

  /** The lane of a running span. @throws Error for any other */
  of(span: Span): Lane {
    return this.#rowOf(span);
  }

  /** The spans that are running on a lane, the innermost last. */
  running({ thread, index }: Lane): readonly Span[] {
    return this.#threads.get(thread)?.rows[index]?.stack ?? [];
  }

  /**
   * Takes a span away.
   *
   * @param time nanoseconds after the set's base
   * @returns what had to move
   */
  end(span: Span, time: number): Move[] {
    const from = this.#rowOf(span);
    this.#rows.delete(span);
    const at = from.stack.lastIndexOf(span);
    const above = from.stack.slice(at + 1);
    from.stack.length = at;
    from.freeSince = time;
    if (at === 0) this.#release(from);
    const [first] = above;
    if (first === undefined) return [];
    const to = this.#freeRow(span.thread, this.#movedWhole ? first.start : time);
    to.stack.push(...above);
    for (const moved of above) this.#rows.set(moved, to);
    return above.map((moved) => ({ span: moved, from, to }));
  }

  #rowAround({ parent, start }: Span): Row | undefined {
    if (parent === undefined || !(start > parent.start)) return undefined;
    const row = this.#rows.get(parent);
    return row?.stack.at(-1) === parent ? row : undefined;
  }

  #rowOf(span: Span): Row {
    const row = this.#rows.get(span);
    if (row === undefined) throw new Error(`span ${span.id} is on no lane`);
    return row;
  }

  /** A row that is free since a time. */
  #freeRow(thread: Thread, since: number): Row {
    let known = this.#threads.get(thread);
    if (known === undefined) this.#threads.set(thread, (known = { rows: [], free: [] }));
    const { rows, free } = known;
    const at = free.findLastIndex((index) => (rows[index]?.freeSince ?? Infinity) <= since);
    const found = rows[free[at] ?? -1];
    if (found !== undefined) {
      free.splice(at, 1);
      return found;
    }
    const row = new Row(thread, rows.length);
    rows.push(row);
    return row;
  }

  #release(row: Row): void {
    const free = this.#threads.get(row.thread)?.free ?? [];
    const at = free.findIndex((index) => index < row.index);
    free.splice(at < 0 ? free.length : at, 0, row.index);
  }
}
