/**
 * The timeline: draws the rows that are to be seen on a canvas, says what is under the pointer, and
 * moves the range with pointer, wheel and keys.
 */
import { durationText, many } from "../src/report/number-text.ts";
import { byId, html } from "./dom.ts";
import { drawLabels, drawRuler, RULER } from "./labels.ts";
import { lowerBound, type Model } from "./model.ts";
import { Raster, type WideSpan } from "./raster.ts";
import { makeRows, type Row, type Rows } from "./rows.ts";
import { readTheme, type Theme } from "./theme.ts";
import type { Selection, View } from "./view.ts";

/** CSS pixels around the pointer in which things too narrow to be met are found. */
const REACH = 4;

/** CSS pixels that the pointer may move in a click. */
const CLICK = 4;

/** A row with the spans that were drawn wide, for the labels. */
export interface DrawnRow {
  readonly row: Row;
  /** CSS pixels from the canvas's top. */
  readonly top: number;
  readonly wide: readonly WideSpan[];
}

/** The timeline of the page. */
export class Timeline {
  readonly rows: Rows;
  theme: Theme;
  readonly #model: Model;
  readonly #view: View;
  readonly #canvas = byId("timeline", HTMLCanvasElement);
  readonly #scroller = byId("scroller", HTMLElement);
  readonly #tip = byId("tip", HTMLElement);
  readonly #raster: Raster;
  #requested = false;
  #hover: Selection | undefined;

  constructor(model: Model, view: View) {
    this.#model = model;
    this.#view = view;
    this.rows = makeRows(model);
    this.theme = readTheme();
    this.#raster = new Raster(model, this.theme);
    byId("height", HTMLElement).style.height = `${this.rows.height + RULER + 12}px`;
    view.onChange((change) => {
      // What is under the pointer is another thing now.
      if (change === "range") this.#point(-1, -1);
      this.redraw();
    });
    new ResizeObserver(() => this.redraw()).observe(this.#scroller);
    this.#scroller.addEventListener("scroll", () => this.redraw());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      this.theme = readTheme();
      this.#raster.theme = this.theme;
      this.redraw();
    });
    this.#listen();
  }

  /** Width of the names at the left, CSS pixels. */
  get gutter(): number {
    return this.#canvas.clientWidth < 640 ? 104 : 196;
  }

  /** Draws in the next frame. */
  redraw(): void {
    if (this.#requested) return;
    this.#requested = true;
    requestAnimationFrame(() => {
      this.#requested = false;
      const start = performance.now();
      this.#draw();
      // For tests, bench/open.ts, and those who wonder.
      const { from, to } = this.#view;
      Object.assign(this.#canvas.dataset, { from, to, frame: (performance.now() - start).toFixed(2) });
    });
  }

  /** Scrolls so that the selection's row is to be seen. */
  scrollToSelection(): void {
    const { selection } = this.#view;
    const row = selection === undefined ? undefined : this.#rowOf(selection);
    if (row === undefined) return;
    const { scrollTop, clientHeight } = this.#scroller;
    const seen = clientHeight - RULER;
    if (row.top < scrollTop || row.top + row.height > scrollTop + seen)
      this.#scroller.scrollTop = row.top - seen / 2;
  }

  #rowOf(selection: Selection): Row | undefined {
    const model = this.#model;
    if (selection.kind === "span")
      return this.rows.lane(model.spanTrack(selection.span), model.spanLane[selection.span] ?? 0);
    return this.rows.of(model.eventTrack[selection.event] ?? 0, model.classOf(selection.event));
  }

  #draw(): void {
    const canvas = this.#canvas;
    const context = canvas.getContext("2d", { alpha: false });
    if (context === null) return;
    const ratio = devicePixelRatio;
    const [width, height] = [this.#scroller.clientWidth, this.#scroller.clientHeight];
    const [pixelWidth, pixelHeight] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (canvas.width !== pixelWidth || canvas.height !== pixelHeight) {
      canvas.width = pixelWidth;
      canvas.height = pixelHeight;
      canvas.style.width = `${width}px`;
      canvas.style.height = `${height}px`;
    }
    const { from, to } = this.#view;
    const left = Math.round(this.gutter * ratio);
    const plot = Math.max(1, pixelWidth - left);
    const scale = plot / (to - from);
    this.#raster.found = this.#view.found;
    this.#raster.begin(plot, pixelHeight, from, scale);
    const drawn = this.#drawRows(ratio);
    this.#raster.put(context, left, 0);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    const frame = {
      context,
      theme: this.theme,
      model: this.#model,
      view: this.#view,
      gutter: this.gutter,
      width,
      height,
    };
    drawLabels(frame, drawn, ratio);
    this.#outline(context, this.#hover, this.theme.faint.css, 1);
    this.#outline(context, this.#view.selection, this.theme.accent.css, 2);
    drawRuler(frame);
    context.setTransform(1, 0, 0, 1, 0, 0);
  }

  #drawRows(ratio: number): DrawnRow[] {
    const raster = this.#raster;
    const { theme } = this;
    const scrolled = this.#scroller.scrollTop - RULER;
    const height = raster.height / ratio;
    const drawn: DrawnRow[] = [];
    for (const row of this.rows.all) {
      const top = row.top - scrolled;
      const end = row.kind === "track" ? row.bottom - scrolled : top + row.height;
      if (end < RULER || top > height) continue;
      const [y0, y1] = [Math.round(top * ratio), Math.round((top + row.height) * ratio)];
      let wide: readonly WideSpan[] = [];
      if (row.kind === "process") raster.fill(0, y0, raster.width, y1, theme.panel.pixel);
      else if (row.kind === "track") raster.fill(0, y0, raster.width, y0 + 1, theme.line.pixel);
      else if (row.kind === "spans") wide = raster.spans(row.pyramid, y0, y1 - Math.round(2 * ratio));
      else if (row.kind === "events")
        raster.events(
          row.events,
          row.times,
          row.density,
          y0 + Math.round(4 * ratio),
          y1 - Math.round(3 * ratio),
        );
      else
        raster.counter(
          row.values,
          y0 + Math.round(4 * ratio),
          y1 - Math.round(3 * ratio),
          theme.accent.pixel,
        );
      drawn.push({ row, top, wide });
    }
    for (const { row } of drawn) if (row.kind === "track") this.#drawLosses(row, scrolled, ratio);
    return drawn;
  }

  /** Bands where events or packets of a thread are lost. */
  #drawLosses(row: Row & { kind: "track" }, scrolled: number, ratio: number): void {
    const raster = this.#raster;
    const pixel = this.theme.lost.pixel;
    const [top, bottom] = [(row.top - scrolled) * ratio, (row.bottom - scrolled) * ratio];
    for (const { from, to } of this.#model.header.tracks[row.track]?.losses ?? []) {
      if (from === null || to === null) continue;
      const left = raster.column(from);
      const right = Math.max(raster.column(to), left + 2 * ratio);
      raster.fill(left, top, right, bottom, pixel, 0.16);
      raster.stripe(left, top, right, bottom, pixel, 0.35);
      raster.fill(left, top, right, top + 3 * ratio, pixel);
    }
  }

  #outline(
    context: CanvasRenderingContext2D,
    what: Selection | undefined,
    colour: string,
    width: number,
  ): void {
    const row = what === undefined ? undefined : this.#rowOf(what);
    if (what === undefined || row === undefined) return;
    const model = this.#model;
    const [start, stop] =
      what.kind === "span"
        ? [model.spanStart[what.span] ?? 0, model.spanStop[what.span] ?? 0]
        : [model.times[what.event] ?? 0, model.times[what.event] ?? 0];
    const left = Math.max(this.#x(start) - 1, this.gutter - 2);
    const right = Math.min(Math.max(this.#x(stop), this.#x(start) + 3), this.#scroller.clientWidth + 2);
    const top = row.top - this.#scroller.scrollTop + RULER;
    if (right < this.gutter || left > this.#scroller.clientWidth || top < RULER - row.height) return;
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.strokeRect(left, top - 1, right - left, row.height);
  }

  #x(time: number): number {
    const { from, to } = this.#view;
    return this.gutter + ((time - from) / (to - from)) * (this.#scroller.clientWidth - this.gutter);
  }

  /** The time at a place, CSS pixels from the canvas's left. */
  timeAt(x: number): number {
    const { from, to } = this.#view;
    return from + ((x - this.gutter) / (this.#scroller.clientWidth - this.gutter)) * (to - from);
  }

  /** What is at a place, CSS pixels from the canvas's top left. */
  at(x: number, y: number): Selection | undefined {
    const place = y - RULER + this.#scroller.scrollTop;
    if (x < this.gutter || y < RULER) return undefined;
    const row = this.rows.all.find(({ top, height }) => place >= top && place < top + height);
    if (row?.kind === "spans") return this.#spanAt(row.pyramid.spans, x);
    if (row?.kind === "events") return this.#eventAt(row.events, row.times, x);
    if (row?.kind === "counter") return this.#eventAt(row.events, row.values.times, x, true);
    return undefined;
  }

  /** The span under the pointer, else the longest near it. */
  #spanAt(spans: Uint32Array, x: number): Selection | undefined {
    const { spanStart, spanStop } = this.#model;
    const [from, to, here] = [this.timeAt(x - REACH), this.timeAt(x + REACH), this.timeAt(x)];
    let [low, high] = [0, spans.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((spanStart[spans[middle] ?? 0] ?? 0) <= to) low = middle + 1;
      else high = middle;
    }
    let best: number | undefined;
    let most = -1;
    // Before the pointer, only spans that reach it: those of a row end in the order of their starts.
    for (let at = low - 1; at >= 0; at -= 1) {
      const span = spans[at] ?? 0;
      const [start, stop] = [spanStart[span] ?? 0, spanStop[span] ?? 0];
      if (stop < from) break;
      if (start <= here && stop >= here) return { kind: "span", span };
      if (stop - start > most) [best, most] = [span, stop - start];
    }
    return best === undefined ? undefined : { kind: "span", span: best };
  }

  #eventAt(events: Uint32Array, times: Float64Array, x: number, isStep = false): Selection | undefined {
    const time = this.timeAt(x);
    const next = lowerBound(times, time);
    // A counter has its value until the next one.
    if (isStep && next > 0) return { kind: "event", event: events[next - 1] ?? 0 };
    const before = time - (times[next - 1] ?? -Infinity);
    const after = (times[next] ?? Infinity) - time;
    const at = before < after ? next - 1 : next;
    const near = Math.min(before, after) <= this.timeAt(x + REACH) - time;
    const event = events[at];
    return near && event !== undefined ? { kind: "event", event } : undefined;
  }

  #listen(): void {
    const canvas = this.#canvas;
    let press: { x: number; y: number; from: number; to: number; top: number; moved: boolean } | undefined;
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      const { from, to } = this.#view;
      press = { x: event.offsetX, y: event.offsetY, from, to, top: this.#scroller.scrollTop, moved: false };
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (press === undefined) {
        this.#point(event.offsetX, event.offsetY);
        return;
      }
      const [dx, dy] = [event.offsetX - press.x, event.offsetY - press.y];
      press.moved ||= Math.abs(dx) + Math.abs(dy) > CLICK;
      if (!press.moved) return;
      this.#point(-1, -1);
      const by = (dx / (this.#scroller.clientWidth - this.gutter)) * (press.to - press.from);
      this.#view.show(press.from - by, press.to - by);
      this.#scroller.scrollTop = press.top - dy;
    });
    canvas.addEventListener("pointerup", (event) => {
      if (press !== undefined && !press.moved) this.#view.select(this.at(event.offsetX, event.offsetY));
      press = undefined;
    });
    canvas.addEventListener("pointercancel", () => (press = undefined));
    canvas.addEventListener("pointerleave", () => this.#point(-1, -1));
    canvas.addEventListener("dblclick", () => this.#view.zoomToSelection());
    canvas.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
  }

  #wheel(event: WheelEvent): void {
    const { scrollHeight, clientHeight } = this.#scroller;
    const isZoom = event.ctrlKey || event.metaKey || (scrollHeight <= clientHeight && !event.shiftKey);
    if (isZoom && Math.abs(event.deltaY) > 0) {
      event.preventDefault();
      this.#view.zoom(1.0018 ** clampWheel(event.deltaY), this.timeAt(Math.max(event.offsetX, this.gutter)));
    } else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      event.preventDefault();
      this.#view.pan((event.deltaX || event.deltaY) / 1200);
    }
  }

  /** Shows what is under the pointer. */
  #point(x: number, y: number): void {
    const here = this.at(x, y);
    this.#canvas.style.cursor = here === undefined ? "" : "pointer";
    if (!isSame(here, this.#hover)) {
      this.#hover = here;
      this.redraw();
    }
    this.#tip.hidden = here === undefined;
    if (here === undefined) return;
    this.#tip.replaceChildren(...this.#tipOf(here));
    const { clientWidth } = this.#scroller;
    const right = x + 16 + this.#tip.offsetWidth > clientWidth;
    this.#tip.style.left = `${right ? Math.max(0, x - 12 - this.#tip.offsetWidth) : x + 16}px`;
    this.#tip.style.top = `${y + 18 + this.#tip.offsetHeight > this.#scroller.clientHeight ? y - 8 - this.#tip.offsetHeight : y + 18}px`;
  }

  #tipOf(what: Selection): Node[] {
    const model = this.#model;
    if (what.kind === "event") {
      const fields = model.fields(what.event).slice(0, 4);
      return [
        html("b", {}, model.classOf(what.event)?.name ?? ""),
        ...fields.map(({ name, text }) => html("div", {}, `${name} = ${text.slice(0, 80)}`)),
      ];
    }
    const length = (model.spanStop[what.span] ?? 0) - (model.spanStart[what.span] ?? 0);
    const ending = model.ending(what.span);
    const words = {
      ended: "",
      failed: " · failed",
      running: " and still running at the end",
      uncertain: " or less: its end is lost",
    };
    return [
      html("b", {}, model.nameOfSpan(what.span)),
      html("div", {}, `${durationText(length)}${words[ending]}`),
    ];
  }

  /** What a screen reader says of the canvas. */
  describe(): string {
    const { header, spanCount } = this.#model;
    return `Timeline of ${many(header.tracks.length, "thread")} with ${many(spanCount, "span")}`;
  }
}

function clampWheel(delta: number): number {
  return Math.max(-400, Math.min(400, delta));
}

function isSame(one: Selection | undefined, other: Selection | undefined): boolean {
  if (one?.kind === "span") return other?.kind === "span" && one.span === other.span;
  if (one?.kind === "event") return other?.kind === "event" && one.event === other.event;
  return other === undefined;
}
