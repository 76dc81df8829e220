/**
 * What a viewer would draw of an exported file: the common form that the readers of
 * this directory give, whatever the format. They know the formats from their
 * documents, and nothing of src/. Runs in the test process.
 */

/** A span. Times are as in the file. */
export interface DrawnSpan {
  readonly name: string;
  readonly start: bigint;
  /** Nothing where the file leaves it open. */
  readonly end: bigint | undefined;
  readonly args: Readonly<Record<string, unknown>>;
  /** The process and thread, by names. */
  readonly thread: string;
}

export interface DrawnInstant {
  readonly name: string;
  readonly time: bigint;
  readonly args: Readonly<Record<string, unknown>>;
  readonly thread: string;
}

export interface DrawnValue {
  readonly name: string;
  readonly time: bigint;
  readonly value: number;
  readonly thread: string;
}

/** All of a file. */
export interface Drawn {
  readonly spans: readonly DrawnSpan[];
  readonly instants: readonly DrawnInstant[];
  readonly values: readonly DrawnValue[];
  /** Marks of what was lost. */
  readonly losses: readonly DrawnSpan[];
}

/** Spans that begin and end one after the other, checked for nesting: the last one begun is the first to end. */
export class Stack<T> {
  readonly #open: { readonly start: bigint; readonly of: T }[] = [];
  #last = -(2n ** 80n);

  begin(time: bigint, of: T): void {
    this.#advance(time);
    this.#open.push({ start: time, of });
  }

  /** @throws Error when nothing is open */
  end(time: bigint): { readonly start: bigint; readonly of: T } {
    this.#advance(time);
    const top = this.#open.pop();
    if (top === undefined) throw new Error(`an end at ${time} without a begin`);
    return top;
  }

  get open(): readonly { readonly start: bigint; readonly of: T }[] {
    return this.#open;
  }

  #advance(time: bigint): void {
    if (time < this.#last) throw new Error(`${time} comes after ${this.#last}`);
    this.#last = time;
  }
}
