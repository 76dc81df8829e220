/** The table of span names, and the histogram of the durations of one. */
import { binOf, binStart, BINS_PER_OCTAVE, type SpanNameHeader } from "../src/open/format.ts";
import { PERCENTILES } from "../src/report/histogram.ts";
import { countText, many, shortDurationText } from "../src/report/number-text.ts";
import { byId, html, svg } from "./dom.ts";
import type { Model } from "./model.ts";
import { setFill } from "./theme.ts";
import type { Selection } from "./view.ts";

/** The drawing's measures and the room around its bars, CSS pixels. */
const HEIGHT = 180;
const BOTTOM = 28;
const TOP = 36;
const PADDING = 14;
const MIN_WIDTH = 180;

/** Width of a percentile's name, CSS pixels. */
const MARK_WIDTH = 26;

/** The tab. */
export class Latency {
  readonly #model: Model;
  readonly #go: (selection: Selection) => void;
  readonly #table = byId("names", HTMLElement);
  readonly #histogram = byId("histogram", HTMLElement);
  #chosen = 0;

  constructor(model: Model, go: (selection: Selection) => void) {
    this.#model = model;
    this.#go = go;
    const shown = new Set(model.spanName);
    const byTotal = [...model.header.spanNames.entries()]
      // The flame graph may know more names: of spans around those that pass the filter.
      .filter(([index, { count: some }]) => some > 0 || shown.has(index))
      .sort(([, one], [, other]) => other.total - one.total);
    this.#chosen = byTotal[0]?.[0] ?? 0;
    const head = ["span", "count", "failed", "running", ...PERCENTILES.map(([mark]) => mark), "max", "total"];
    this.#table.replaceChildren(
      html(
        "table",
        {},
        html("thead", {}, html("tr", {}, ...head.map((text) => html("th", { scope: "col" }, text)))),
        html("tbody", {}, ...byTotal.map(([index, name]) => this.#row(index, name))),
      ),
    );
    if (byTotal.length === 0)
      this.#table.replaceChildren(html("p", { class: "faint" }, "There are no spans in this trace."));
    else new ResizeObserver(() => this.choose(this.#chosen)).observe(this.#histogram);
  }

  /** Shows the histogram of a name. */
  choose(name: number): void {
    const sums = this.#model.header.spanNames[name];
    if (sums === undefined) return;
    this.#chosen = name;
    for (const row of this.#table.querySelectorAll("tbody tr")) {
      row.setAttribute("aria-selected", String(row.getAttribute("data-name") === String(name)));
    }
    this.#histogram.replaceChildren(...this.#draw(sums));
  }

  #row(index: number, name: SpanNameHeader): Node {
    const cell = (text: string): Node => html("td", {}, text);
    const dot = html("i", { class: "dot" });
    setFill(dot, index);
    return html(
      "tr",
      { "data-name": index, "aria-selected": "false", on: { click: () => this.choose(index) } },
      html("th", { scope: "row" }, dot, html("button", { class: "link" }, name.name)),
      cell(countText(name.count)),
      html("td", { class: name.failed > 0 ? "failed" : "none" }, countText(name.failed)),
      html("td", { class: name.running > 0 ? "running" : "none" }, countText(name.running)),
      ...[...name.percentiles, name.longest, name.total].map((time) =>
        cell(name.count === 0 ? "" : shortDurationText(time)),
      ),
    );
  }

  #draw(name: SpanNameHeader): Node[] {
    const { count, shortest, longest, total } = name;
    const figures = [["min", shortest], ["mean", total / count], ...marksOf(name), ["max", longest]] as const;
    const texts = figures.map(([what, time]) => `${what} ${shortDurationText(time)}`);
    const title = html(
      "p",
      { class: "title" },
      html("b", {}, name.name),
      ` ${[many(count, "span"), ...(count === 0 ? [] : texts)].join(", ")}`,
    );
    if (name.count === 0) return [title];
    const first = (name.bins[0]?.[0] ?? 0) - 1;
    const last = (name.bins.at(-1)?.[0] ?? 0) + 2;
    const most = Math.max(...name.bins.map(([, many]) => many));
    const width = Math.max(MIN_WIDTH, this.#histogram.clientWidth - 2 * PADDING);
    const x = (bin: number): number => ((bin - first) / (last - first)) * width;
    const bars = name.bins.map(([bin, spans]) => {
      const bar = Math.max(1.5, (spans / most) * (HEIGHT - BOTTOM - TOP));
      const text = `${shortDurationText(binStart(bin))} to ${shortDurationText(binStart(bin + 1))}: ${many(spans, "span")}`;
      return svg(
        "rect",
        {
          x: x(bin),
          y: HEIGHT - BOTTOM - bar,
          width: Math.max(0.8, x(bin + 1) - x(bin) - 0.6),
          height: bar,
          class: "bar",
          "data-bin": bin,
          "data-count": spans,
          on: { click: () => this.#goToOne(bin) },
        },
        svg("title", {}, text),
      );
    });
    const drawing = svg(
      "svg",
      {
        width,
        height: HEIGHT,
        role: "img",
        "aria-label": `Durations of ${name.name}: ${texts.join(", ")}`,
      },
      svg("line", { x1: 0, x2: width, y1: HEIGHT - BOTTOM, y2: HEIGHT - BOTTOM, class: "axis" }),
      svg("text", { x: 0, y: 11, class: "label" }, `most in a bar: ${countText(most)}`),
      ...this.#axis(first, last, width, x),
      ...bars,
      ...percentileMarks(name, width, x),
    );
    const hint = html(
      "p",
      { class: "faint" },
      "Click a bar to go to a span of that duration; again for the next one.",
    );
    return [title, drawing, hint];
  }

  #axis(first: number, last: number, width: number, x: (bin: number) => number): Node[] {
    const marks: Node[] = [];
    let before = -Infinity;
    for (let power = 1; power < 1e16; power *= 10) {
      for (const step of [1, 2, 5]) {
        const bin = Math.log2(power * step) * BINS_PER_OCTAVE;
        if (bin < first || bin > last || x(bin) - before < 56 || x(bin) < 24 || x(bin) > width - 24) continue;
        before = x(bin);
        marks.push(
          svg("line", {
            x1: x(bin),
            x2: x(bin),
            y1: HEIGHT - BOTTOM,
            y2: HEIGHT - BOTTOM + 5,
            class: "axis",
          }),
          svg("text", { x: x(bin), y: HEIGHT - 9, class: "label middle" }, shortDurationText(power * step)),
        );
      }
    }
    return marks;
  }

  /** Where the search for the next span of a bin goes on. */
  #next = 0;

  #goToOne(bin: number): void {
    const model = this.#model;
    for (let step = 0; step < model.spanCount; step += 1) {
      const span = (this.#next + step) % model.spanCount;
      if (model.spanName[span] !== this.#chosen || (model.spanEnd[span] ?? -1) < 0) continue;
      if (binOf((model.spanStop[span] ?? 0) - (model.spanStart[span] ?? 0)) !== bin) continue;
      this.#next = span + 1;
      this.#go({ kind: "span", span });
      return;
    }
  }
}

function percentileMarks(name: SpanNameHeader, width: number, x: (bin: number) => number): Node[] {
  let before = Infinity;
  return marksOf(name)
    .toReversed()
    .flatMap(([mark, time]) => {
      const place = x(Math.log2(Math.max(1, time)) * BINS_PER_OCTAVE);
      const isNear = before - place < MARK_WIDTH;
      if (!isNear) before = place;
      return [
        svg(
          "line",
          { x1: place, x2: place, y1: TOP - 4, y2: HEIGHT - BOTTOM, class: "quantile" },
          svg("title", {}, `${mark}: ${shortDurationText(time)}`),
        ),
        ...(isNear
          ? []
          : [svg("text", { x: Math.min(place, width - 18), y: TOP - 9, class: "label middle" }, mark)]),
      ];
    });
}

/** The percentiles of a name, with their names. */
function marksOf({ percentiles }: SpanNameHeader): (readonly [mark: string, time: number])[] {
  return PERCENTILES.map(([mark], at) => [mark, percentiles[at] ?? 0] as const);
}
