/**
 * A picture made pixel by pixel: rectangles, and rows of spans, events and values. Canvas calls for
 * hundreds of thousands of rectangles would take longer than a frame.
 */
import { lowerBound, type Model } from "./model.ts";
import { FAILED, type SpanLevel, type SpanPyramid, UNENDED, type ValuePyramid } from "./pyramid.ts";
import type { Found } from "./search.ts";
import { mix, type Theme } from "./theme.ts";

/** A span that is wide enough to be looked at by itself, device pixels from the left. */
export interface WideSpan {
  readonly span: number;
  readonly left: number;
  readonly right: number;
}

/** Device pixels from which on a span is drawn with what is to be seen of it. */
const WIDE = 3;

/** The picture; times are made columns by `from` and `scale` (device pixels a nanosecond). */
export class Raster {
  width = 0;
  height = 0;
  from = 0;
  scale = 1;
  theme: Theme;
  /** What a search found; none without a search. */
  found: Found | undefined;
  readonly #model: Model;
  #image = new ImageData(1, 1);
  #pixels = new Uint32Array(1);
  /** One row of pixels: colours, and those of its lowest strip; 0 where there is nothing. */
  #line = new Uint32Array(1);
  #strip = new Uint32Array(1);
  /** Of spans narrower than a column: time by column, and the longest's time and number. */
  #busy = new Float64Array(1);
  #most = new Float64Array(1);
  #longest = new Uint32Array(1);
  #wide: WideSpan[] = [];

  constructor(model: Model, theme: Theme) {
    this.#model = model;
    this.theme = theme;
  }

  /** Begins a picture. */
  begin(width: number, height: number, from: number, scale: number): void {
    this.from = from;
    this.scale = scale;
    if (width !== this.width || height !== this.height) {
      this.width = width;
      this.height = height;
      this.#image = new ImageData(width, height);
      this.#pixels = new Uint32Array(this.#image.data.buffer);
      this.#line = new Uint32Array(width);
      this.#strip = new Uint32Array(width);
      this.#busy = new Float64Array(width);
      this.#most = new Float64Array(width);
      this.#longest = new Uint32Array(width);
    }
    this.#pixels.fill(this.theme.paper.pixel);
  }

  put(context: CanvasRenderingContext2D, left: number, top: number): void {
    context.putImageData(this.#image, left, top);
  }

  /** The column of a time; not within the picture, perhaps. */
  column(time: number): number {
    return (time - this.from) * this.scale;
  }

  /** Fills a rectangle. @param share how much of what is there it covers, 0 to 1 */
  fill(left: number, top: number, right: number, bottom: number, pixel: number, share = 1): void {
    const [x0, x1] = [clamp(left, this.width), clamp(right, this.width)];
    const [y0, y1] = [clamp(top, this.height), clamp(bottom, this.height)];
    if (x0 >= x1) return;
    for (let y = y0; y < y1; y += 1) {
      const start = y * this.width;
      if (share === 1) this.#pixels.fill(pixel, start + x0, start + x1);
      else {
        for (let at = start + x0; at < start + x1; at += 1)
          this.#pixels[at] = mix(this.#pixels[at] ?? 0, pixel, share);
      }
    }
  }

  /** Fills with diagonal stripes. */
  stripe(left: number, top: number, right: number, bottom: number, pixel: number, share: number): void {
    const [x0, x1] = [clamp(left, this.width), clamp(right, this.width)];
    const [y0, y1] = [clamp(top, this.height), clamp(bottom, this.height)];
    for (let y = y0; y < y1; y += 1) {
      for (let x = x0; x < x1; x += 1) {
        if (((x + y) & 7) > 2) continue;
        const at = y * this.width + x;
        this.#pixels[at] = mix(this.#pixels[at] ?? 0, pixel, share);
      }
    }
  }

  /** Draws a row of spans; returns those that are wide enough for a text. */
  spans(pyramid: SpanPyramid, top: number, bottom: number): readonly WideSpan[] {
    this.#line.fill(0);
    this.#strip.fill(0);
    this.#busy.fill(0);
    this.#most.fill(-1);
    this.#wide = [];
    const { levels } = pyramid;
    const highest = levels.length - 1;
    const count = levels[highest]?.starts.length ?? 0;
    for (let index = 0; index < count; index += 1) this.#visit(levels, highest, index);
    this.#mixNarrow();
    this.#copyLine(top, bottom);
    this.#drawEndings(top, bottom);
    return this.#wide;
  }

  /** Draws what an entry of a level stands for: as one where it is narrow, else by what is below it. */
  #visit(levels: readonly SpanLevel[], number: number, index: number): void {
    const level = levels[number];
    if (level === undefined) return;
    const left = ((level.starts[index] ?? 0) - this.from) * this.scale;
    const right = ((level.stops[index] ?? 0) - this.from) * this.scale;
    if (right < 0 || left >= this.width) return;
    if (number === 0 && right - left >= 1) this.#drawSpan(level, index, left, right);
    else if (number === 0 || (right - left < 1 && left >= 0)) this.#drawNarrow(level, index, left);
    else {
      const end = Math.min(index * 16 + 16, levels[number - 1]?.starts.length ?? 0);
      for (let below = index * 16; below < end; below += 1) this.#visit(levels, number - 1, below);
    }
  }

  #drawSpan(level: SpanLevel, index: number, left: number, right: number): void {
    const span = level.longest[index] ?? 0;
    const x0 = clamp(Math.floor(left), this.width);
    let x1 = clamp(Math.floor(right), this.width);
    // A column between neighbours, so that they do not look as one.
    if (right - left >= WIDE && right <= this.width) x1 -= 1;
    this.#line.fill(this.#fillOf(span), x0, Math.max(x1, x0 + 1));
    const marks = level.marks[index] ?? 0;
    if (marks !== 0) this.#strip.fill(this.#markPixel(marks), x0, Math.max(x1, x0 + 1));
    if (right - left >= WIDE) this.#wide.push({ span, left: x0, right: x1 });
  }

  #drawNarrow(level: SpanLevel, index: number, left: number): void {
    const x = Math.floor(left);
    if (x < 0) return;
    const busy = level.busy[index] ?? 0;
    this.#busy[x] = (this.#busy[x] ?? 0) + busy;
    if (busy > (this.#most[x] ?? 0)) {
      this.#most[x] = busy;
      this.#longest[x] = level.longest[index] ?? 0;
    }
    const marks = level.marks[index] ?? 0;
    if (marks !== 0) this.#strip[x] = this.#markPixel(marks);
  }

  #mixNarrow(): void {
    const paper = this.theme.paper.pixel;
    for (let x = 0; x < this.width; x += 1) {
      if ((this.#most[x] ?? -1) < 0 || this.#line[x] !== 0) continue;
      const share = Math.min(1, 0.45 + 0.55 * (this.#busy[x] ?? 0) * this.scale);
      this.#line[x] = mix(paper, this.#fillOf(this.#longest[x] ?? 0), share);
    }
  }

  #fillOf(span: number): number {
    const { fills, paper } = this.theme;
    const pixel = fills[(this.#model.spanName[span] ?? 0) % fills.length]?.pixel ?? 0;
    return this.found === undefined || this.found.spanHits[span] === 1
      ? pixel
      : mix(paper.pixel, pixel, 0.25);
  }

  #markPixel(marks: number): number {
    return (marks & UNENDED) !== 0 || (marks & FAILED) === 0
      ? this.theme.running.pixel
      : this.theme.failed.pixel;
  }

  #copyLine(top: number, bottom: number): void {
    for (let y = Math.max(0, top); y < Math.min(bottom, this.height); y += 1) {
      const start = y * this.width;
      for (let x = 0; x < this.width; x += 1) {
        const pixel = this.#line[x] ?? 0;
        if (pixel !== 0) this.#pixels[start + x] = pixel;
      }
    }
  }

  #drawEndings(top: number, bottom: number): void {
    const strip = Math.max(2, Math.round((bottom - top) / 6));
    for (let y = Math.max(0, bottom - strip); y < Math.min(bottom, this.height); y += 1) {
      for (let x = 0; x < this.width; x += 1) {
        const pixel = this.#strip[x] ?? 0;
        if (pixel !== 0) this.#pixels[y * this.width + x] = pixel;
      }
    }
    for (const { span, left, right } of this.#wide) {
      if ((this.#model.spanEnd[span] ?? -1) >= 0) continue;
      this.stripe(left, top, right, bottom, this.theme.running.pixel, 0.5);
      // The end is open.
      this.fill(Math.max(left, right - 3), top, right, bottom, this.theme.running.pixel);
    }
  }

  /** Draws single events, as bars as high as there are many in a column. @param density of hidden ones, by time bin */
  events(
    events: Uint32Array,
    times: Float64Array,
    density: readonly number[],
    top: number,
    bottom: number,
  ): void {
    const { fills, hidden, hit } = this.theme;
    const { begin, end } = this.#model.header;
    const binWidth = (end - begin) / density.length || 1;
    const height = bottom - top;
    let at = lowerBound(times, this.from);
    for (let x = 0; x < this.width; x += 1) {
      const to = this.from + (x + 1) / this.scale;
      const first = at;
      at = gallop(times, to, at);
      const bin = Math.floor((to - begin) / binWidth);
      const unseen = (density[bin] ?? 0) / binWidth / this.scale;
      const bar = (many: number): number =>
        Math.min(height, Math.ceil(height * (0.3 + 0.09 * Math.log2(many + 1))));
      if (unseen > 0) this.fill(x, bottom - bar(unseen), x + 1, bottom, hidden.pixel);
      if (at === first) continue;
      const event = events[first] ?? 0;
      const found = this.found?.eventHits[event] === 1;
      const pixel = found
        ? hit.pixel
        : (fills[(this.#model.eventClass[event] ?? 0) % fills.length]?.pixel ?? 0);
      this.fill(x, bottom - bar(at - first), x + 1, bottom, pixel);
    }
  }

  /** Draws a counter as a step line over a faint area. */
  counter(values: ValuePyramid, top: number, bottom: number, pixel: number): void {
    const { times } = values;
    const low = Math.min(0, values.least);
    const high = Math.max(values.greatest, low + 1);
    const y = (value: number): number =>
      Math.round(bottom - 1 - ((value - low) / (high - low)) * (bottom - top - 2));
    const zero = y(0);
    let at = gallop(times, this.from, 0);
    let before: number | undefined = at > 0 ? values.values[at - 1] : undefined;
    const end = Math.min(this.width, Math.ceil(this.column(this.#model.header.end)) + 1);
    for (let x = 0; x < end; x += 1) {
      const first = at;
      at = gallop(times, this.from + (x + 1) / this.scale, at);
      let least = before ?? Infinity;
      let greatest = before ?? -Infinity;
      if (at > first) {
        const [lower, upper] = values.range(first, at);
        least = Math.min(least, lower);
        greatest = Math.max(greatest, upper);
        before = values.values[at - 1];
      }
      if (least > greatest) continue;
      const [yHigh, yLow] = [y(greatest), y(least)];
      this.fill(x, Math.min(yHigh, zero), x + 1, Math.max(yLow, zero), pixel, 0.28);
      this.fill(x, yHigh, x + 1, yLow + 1, pixel);
    }
  }
}

function clamp(value: number, end: number): number {
  return value < 0 ? 0 : value > end ? end : Math.floor(value);
}

/** As lowerBound, from a place that is near. */
function gallop(values: Float64Array, value: number, from: number): number {
  let step = 1;
  let low = from;
  while (low + step < values.length && (values[low + step] ?? 0) < value) {
    low += step;
    step *= 2;
  }
  let high = Math.min(low + step, values.length);
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((values[middle] ?? 0) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
