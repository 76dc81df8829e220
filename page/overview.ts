/** The strip above the timeline: how much happens when, over the whole trace, and which part is shown; dragging in it chooses another. */
import { byId } from "./dom.ts";
import { lowerBound, type Model } from "./model.ts";
import { readTheme, type Theme } from "./theme.ts";
import type { View } from "./view.ts";

/** Columns that are counted, once. */
const COLUMNS = 2048;

/** CSS pixels below which a drag is a click. */
const CLICK = 4;

/** The overview of the page. */
export class Overview {
  readonly #model: Model;
  readonly #view: View;
  readonly #canvas = byId("overview", HTMLCanvasElement);
  readonly #counts: Float64Array;
  readonly #most: number;
  #theme: Theme = readTheme();
  #drag: readonly [from: number, to: number] | undefined;

  constructor(model: Model, view: View) {
    this.#model = model;
    this.#view = view;
    this.#counts = countColumns(model);
    this.#most = this.#counts.reduce((most, many) => Math.max(most, many), 1);
    view.onChange(() => this.#draw());
    new ResizeObserver(() => this.#draw()).observe(this.#canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      this.#theme = readTheme();
      this.#draw();
    });
    this.#listen();
  }

  #timeAt(x: number): number {
    const { begin, end } = this.#model.header;
    return begin + (x / this.#canvas.clientWidth) * (end - begin);
  }

  #draw(): void {
    const canvas = this.#canvas;
    const context = canvas.getContext("2d");
    if (context === null) return;
    const { clientWidth: width, clientHeight: height } = canvas;
    canvas.width = width * devicePixelRatio;
    canvas.height = height * devicePixelRatio;
    context.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    const { begin, end, tracks } = this.#model.header;
    const x = (time: number): number => ((time - begin) / (end - begin || 1)) * width;
    const theme = this.#theme;
    context.fillStyle = theme.accent.css;
    context.globalAlpha = 0.55;
    for (let at = 0; at < width; at += 1) {
      let most = 0;
      const last = Math.max(((at + 1) / width) * COLUMNS, Math.floor((at / width) * COLUMNS) + 1);
      for (let column = Math.floor((at / width) * COLUMNS); column < last; column += 1)
        most = Math.max(most, this.#counts[column] ?? 0);
      const bar = most === 0 ? 0 : 2 + (height - 6) * Math.sqrt(most / this.#most);
      context.fillRect(at, height - bar, 1, bar);
    }
    context.fillStyle = theme.lost.css;
    for (const { losses } of tracks) {
      for (const { from, to } of losses) {
        if (from !== null && to !== null) context.fillRect(x(from), 0, Math.max(2, x(to) - x(from)), 4);
      }
    }
    context.fillStyle = theme.running.css;
    for (const span of this.#model.running)
      context.fillRect(x(this.#model.spanStart[span] ?? 0), height - 4, 2, 4);
    const [from, to] = this.#drag ?? [this.#view.from, this.#view.to];
    const [left, right] = [Math.max(0, x(from)), Math.min(width, Math.max(x(to), x(from) + 2))];
    context.globalAlpha = 0.6;
    context.fillStyle = theme.panel.css;
    context.fillRect(0, 0, left, height);
    context.fillRect(right, 0, width - right, height);
    context.globalAlpha = 1;
    context.strokeStyle = theme.accent.css;
    context.strokeRect(left + 0.5, 0.5, Math.max(1, right - left - 1), height - 1);
  }

  #listen(): void {
    const canvas = this.#canvas;
    let start: number | undefined;
    canvas.addEventListener("pointerdown", (event) => {
      start = event.offsetX;
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (start === undefined) return;
      const places = [start, event.offsetX].sort((one, other) => one - other);
      this.#drag = [this.#timeAt(places[0] ?? 0), this.#timeAt(places[1] ?? 0)];
      this.#draw();
    });
    canvas.addEventListener("pointerup", (event) => {
      if (start === undefined) return;
      const drag = this.#drag;
      this.#drag = undefined;
      if (drag !== undefined && Math.abs(event.offsetX - start) >= CLICK) this.#view.show(...drag);
      else {
        const half = (this.#view.to - this.#view.from) / 2;
        const here = this.#timeAt(event.offsetX);
        this.#view.show(here - half, here + half);
      }
      start = undefined;
    });
  }
}

/** Events in each column of the trace, those that are not shown one by one included. */
function countColumns({ header, times }: Model): Float64Array {
  const counts = new Float64Array(COLUMNS);
  const length = header.end - header.begin || 1;
  let before = 0;
  for (let column = 0; column < COLUMNS; column += 1) {
    const at =
      column === COLUMNS - 1
        ? times.length
        : lowerBound(times, header.begin + ((column + 1) / COLUMNS) * length, before);
    counts[column] = at - before;
    before = at;
  }
  for (const { density } of header.tracks) {
    for (const [bin, many] of density.entries()) {
      const column = Math.floor((bin / density.length) * COLUMNS);
      counts[column] = (counts[column] ?? 0) + many;
    }
  }
  return counts;
}
