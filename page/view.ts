/** What the page shows: the time range, what is selected and what a search found. All parts look at it, and hear of changes. */
import type { Model } from "./model.ts";
import type { Found } from "./search.ts";

/** A selected span or event. */
export type Selection =
  { readonly kind: "span"; readonly span: number } | { readonly kind: "event"; readonly event: number };

/** What changed. */
export type Change = "range" | "selection" | "found";

/** Nanoseconds. Nothing is to be seen below. */
const LEAST_RANGE = 20;

/** Space beside the trace when all of it is shown, a share of it. */
const MARGIN = 0.015;

/** The state of the page. */
export class View {
  from: number;
  to: number;
  selection: Selection | undefined;
  found: Found | undefined;
  readonly model: Model;
  readonly #least: number;
  readonly #greatest: number;
  readonly #listeners: ((change: Change) => void)[] = [];

  constructor(model: Model) {
    const { begin, end } = model.header;
    const margin = Math.max((end - begin) * MARGIN, LEAST_RANGE);
    this.model = model;
    this.#least = begin - margin;
    this.#greatest = end + margin;
    this.from = this.#least;
    this.to = this.#greatest;
  }

  onChange(listener: (change: Change) => void): void {
    this.#listeners.push(listener);
  }

  get isAll(): boolean {
    return this.from <= this.#least && this.to >= this.#greatest;
  }

  showAll(): void {
    this.show(this.#least, this.#greatest);
  }

  /** Shows a range, as far as the trace goes. */
  show(from: number, to: number): void {
    const whole = this.#greatest - this.#least;
    const length = Math.min(whole, Math.max(LEAST_RANGE, to - from));
    const middle = (from + to) / 2;
    this.from = Math.min(Math.max(middle - length / 2, this.#least), this.#greatest - length);
    this.to = this.from + length;
    this.#tell("range");
  }

  /** Changes the range's length, and keeps a moment where it is. */
  zoom(factor: number, around: number): void {
    const length = Math.max(LEAST_RANGE, (this.to - this.from) * factor);
    const real = length / (this.to - this.from);
    const from = around - (around - this.from) * real;
    this.show(from, from + length);
  }

  /** Moves by a share of the range. */
  pan(share: number): void {
    const by = (this.to - this.from) * share;
    this.show(this.from + by, this.to + by);
  }

  select(selection: Selection | undefined): void {
    this.selection = selection;
    this.#tell("selection");
  }

  setFound(found: Found | undefined): void {
    this.found = found;
    this.#tell("found");
  }

  /** From when to when the selection is. */
  get selectedRange(): readonly [from: number, to: number] | undefined {
    const { selection, model } = this;
    if (selection === undefined) return undefined;
    if (selection.kind === "span") {
      return [model.spanStart[selection.span] ?? 0, model.spanStop[selection.span] ?? 0];
    }
    const time = model.times[selection.event] ?? 0;
    return [time, time];
  }

  /** Selects, and moves the range so that it is to be seen. */
  reveal(selection: Selection): void {
    this.select(selection);
    const [from, to] = this.selectedRange ?? [0, 0];
    const length = this.to - this.from;
    const isSeen = from >= this.from && to <= this.to;
    if (isSeen && to - from > length / 400) return;
    // A span fills a third; an event keeps the range's length.
    const wanted = to > from ? (to - from) * 3 : length;
    const middle = (from + to) / 2;
    this.show(middle - wanted / 2, middle + wanted / 2);
  }

  /** Shows just the selection. */
  zoomToSelection(): void {
    const [from, to] = this.selectedRange ?? [];
    if (from === undefined || to === undefined) return;
    const margin = Math.max((to - from) * 0.1, LEAST_RANGE);
    this.show(from - margin, to + margin);
  }

  #tell(change: Change): void {
    for (const listener of this.#listeners) listener(change);
  }
}
