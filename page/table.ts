/** The table of events, in the order of time: of all, of those in the range shown, or of those found. */
import { many } from "../src/report/number-text.ts";
import { byId, html } from "./dom.ts";
import { lowerBound, type Model } from "./model.ts";
import { wallClock } from "./text.ts";
import type { Selection, View } from "./view.ts";

/** Height of a row, CSS pixels. */
const ROW = 24;

/** The greatest height that browsers give to an element without rounding; longer tables scroll faster. */
const MAX_HEIGHT = 12_000_000;

/** Rows beyond those to be seen. */
const SPARE = 4;

/** The tab. */
export class EventTable {
  readonly #model: Model;
  readonly #view: View;
  readonly #go: (selection: Selection) => void;
  readonly #scroller = byId("events", HTMLElement);
  readonly #space = byId("events-space", HTMLElement);
  readonly #body = byId("events-body", HTMLElement);
  readonly #inRange = byId("in-range", HTMLInputElement);
  readonly #onlyFound = byId("only-found", HTMLInputElement);
  readonly #count = byId("events-count", HTMLElement);
  #requested = false;

  constructor(model: Model, view: View, go: (selection: Selection) => void) {
    this.#model = model;
    this.#view = view;
    this.#go = go;
    view.onChange((change) => {
      if (change === "found") this.#onlyFound.checked = view.found !== undefined;
      this.redraw();
    });
    this.#scroller.addEventListener("scroll", () => this.redraw());
    for (const box of [this.#inRange, this.#onlyFound]) box.addEventListener("change", () => this.redraw());
    new ResizeObserver(() => this.redraw()).observe(this.#scroller);
  }

  /** Fills the rows that are to be seen, in the next frame. */
  redraw(): void {
    if (this.#requested || this.#scroller.clientHeight === 0) return;
    this.#requested = true;
    requestAnimationFrame(() => {
      this.#requested = false;
      this.#draw();
    });
  }

  /** Which events are listed: a list (none for all) and the part of it. */
  #rows(): { readonly list: Uint32Array | undefined; readonly from: number; readonly to: number } {
    const { times } = this.#model;
    const list = this.#onlyFound.checked ? this.#view.found?.events : undefined;
    const length = list?.length ?? times.length;
    if (!this.#inRange.checked) return { list, from: 0, to: length };
    const [first, last] = [lowerBound(times, this.#view.from), lowerBound(times, this.#view.to)];
    if (list === undefined) return { list, from: first, to: last };
    return { list, from: lowerBound(list, first), to: lowerBound(list, last) };
  }

  #draw(): void {
    const { list, from, to } = this.#rows();
    const rows = to - from;
    const height = Math.min(rows * ROW, MAX_HEIGHT);
    this.#space.style.height = `${height}px`;
    this.#count.textContent = `${many(rows, "event")}${this.#model.isReduced ? " of those shown one by one" : ""}`;
    const { scrollTop, clientHeight } = this.#scroller;
    // A longer table than an element may be high: the place in it goes by shares.
    const scale = height === rows * ROW ? 1 : (rows * ROW - clientHeight) / (height - clientHeight);
    const top = Math.min(scrollTop * scale, Math.max(0, rows * ROW - clientHeight));
    const first = Math.max(0, Math.floor(top / ROW) - SPARE);
    const end = Math.min(rows, Math.ceil((top + clientHeight) / ROW) + SPARE);
    this.#body.style.transform = `translateY(${scrollTop + first * ROW - top}px)`;
    const drawn: Node[] = [];
    for (let row = first; row < end; row += 1)
      drawn.push(this.#row(list === undefined ? from + row : (list[from + row] ?? 0)));
    this.#body.replaceChildren(...drawn);
  }

  #row(event: number): Node {
    const model = this.#model;
    const { base, utc, tracks } = model.header;
    const { selection } = this.#view;
    const isChosen = selection?.kind === "event" && selection.event === event;
    const fields = model.fields(event).map(({ name, text }) => `${name} = ${text.slice(0, 300)}`);
    return html(
      "div",
      {
        class: "event",
        role: "row",
        tabindex: 0,
        "data-event": event,
        "aria-selected": String(isChosen),
        on: { click: () => this.#choose(event), keydown: (key) => this.#key(key, event) },
      },
      html("span", { role: "cell", class: "time" }, wallClock(BigInt(base), model.times[event] ?? 0, utc)),
      html("span", { role: "cell", class: "thread" }, tracks[model.eventTrack[event] ?? 0]?.name ?? ""),
      html("span", { role: "cell", class: "name" }, model.classOf(event)?.name ?? ""),
      html("span", { role: "cell", class: "values" }, fields.join(", ")),
    );
  }

  #key(key: Event, event: number): void {
    if (key instanceof KeyboardEvent && key.key === "Enter") this.#choose(event);
  }

  #choose(event: number): void {
    this.#go({ kind: "event", event });
  }
}
