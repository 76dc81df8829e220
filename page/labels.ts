/** The texts of the timeline: rows' names, spans' names and the ruler. Called for each frame by timeline.ts. */
import { countText, many, shortDurationText } from "../src/report/number-text.ts";
import { lowerBound, type Model } from "./model.ts";
import { lostText, shortNumber } from "./text.ts";
import type { Theme } from "./theme.ts";
import type { DrawnRow } from "./timeline.ts";
import type { View } from "./view.ts";

/** Height of the ruler, CSS pixels. */
export const RULER = 28;

/** Texts drawn on spans in one frame. */
const MAX_LABELS = 700;

const FONT = '11px ui-sans-serif, system-ui, -apple-system, "Segoe UI", sans-serif';
const BOLD = FONT.replace("11px", "600 11.5px");

/** About how wide a character is: measuring each would take longer than drawing. */
const CHARACTER = 6.1;

/** What is drawn on; measures are CSS pixels. */
export interface Frame {
  readonly context: CanvasRenderingContext2D;
  readonly theme: Theme;
  readonly model: Model;
  readonly view: View;
  readonly gutter: number;
  readonly width: number;
  readonly height: number;
}

/** Draws the names of rows and spans. */
export function drawLabels(frame: Frame, drawn: readonly DrawnRow[], ratio: number): void {
  const { context, theme, gutter, height } = frame;
  context.textBaseline = "middle";
  context.textAlign = "left";
  context.font = FONT;
  context.fillStyle = theme.onFill;
  let left = MAX_LABELS;
  for (const { row, top, wide } of drawn) {
    const middle = top + row.height / 2 - 0.5;
    let end = 0;
    for (const span of wide) {
      if (left === 0) break;
      // Where ends are lost, spans may lie on each other.
      if (span.left < end) continue;
      end = span.right;
      left -= Number(
        drawSpanLabel(frame, span.span, gutter + span.left / ratio, gutter + span.right / ratio, middle),
      );
    }
  }
  context.fillStyle = theme.paper.css;
  context.fillRect(0, 0, gutter, height);
  for (const one of drawn) drawRowName(frame, one);
  context.fillStyle = theme.line.css;
  context.fillRect(gutter - 1, 0, 1, height);
}

function drawSpanLabel(
  { context, model }: Frame,
  span: number,
  left: number,
  right: number,
  middle: number,
): boolean {
  const room = Math.floor((right - left - 8) / CHARACTER);
  if (room < 3) return false;
  const name = model.nameOfSpan(span);
  const length = shortDurationText((model.spanStop[span] ?? 0) - (model.spanStart[span] ?? 0));
  const ending = model.ending(span);
  const mark = ending === "failed" ? "✕ " : ending === "running" ? "▸ " : "";
  const whole = `${mark}${name}  ${length}${ending === "running" ? ", running" : ""}`;
  context.fillText(whole.length <= room ? whole : cut(mark + name, room), left + 4, middle);
  return true;
}

function cut(text: string, room: number): string {
  return text.length <= room ? text : `${text.slice(0, room - 1)}…`;
}

function drawRowName({ context, theme, model, gutter, width }: Frame, { row, top }: DrawnRow): void {
  const middle = top + row.height / 2;
  const room = Math.floor((gutter - 20) / CHARACTER);
  const { processes, tracks } = model.header;
  if (row.kind === "process") {
    context.fillStyle = theme.panel.css;
    context.fillRect(0, top, gutter, row.height);
    context.font = BOLD;
    context.fillStyle = theme.ink.css;
    context.fillText(cut(processes[row.process]?.name ?? "", Math.floor(width / CHARACTER)), 12, middle);
  } else if (row.kind === "track") {
    const track = tracks[row.track];
    context.fillStyle = theme.line.css;
    context.fillRect(0, top, gutter, 1);
    context.font = BOLD;
    context.fillStyle = theme.ink.css;
    context.fillText(cut(track?.name ?? "", room), 12, middle);
    context.font = FONT;
    const lost = lostText(track?.losses ?? []);
    context.fillStyle = theme.faint.css;
    const hidden = (track?.density ?? []).reduce((sum, some) => sum + some, 0);
    const all = many(row.events + hidden, "event");
    const facts = hidden === 0 ? all : `${countText(row.events)} of ${all} one by one`;
    context.fillText(facts, gutter + 8, middle);
    if (lost !== "") {
      context.fillStyle = theme.lost.css;
      context.fillText(`· ${lost}`, gutter + 14 + context.measureText(facts).width, middle);
    }
  } else {
    context.font = FONT;
    context.fillStyle = theme.faint.css;
    if (row.kind === "events") context.fillText("events", 24, middle);
    if (row.kind === "spans" && row.lane === 0) context.fillText("spans", 24, middle);
    if (row.kind === "spans" && row.lane >= model.header.maxLanes)
      context.fillText("all further spans", 24, middle);
    if (row.kind === "counter") {
      context.fillText(cut(row.of.name, room - 2), 24, middle - 6);
      const { least, greatest } = row.values;
      context.fillText(`${shortNumber(least)} to ${shortNumber(greatest)}`, 24, middle + 7);
    }
  }
}

/** Draws the ruler, with the time after the begin. */
export function drawRuler({ context, theme, model, view, gutter, width, height }: Frame): void {
  context.fillStyle = theme.panel.css;
  context.fillRect(0, 0, width, RULER);
  context.font = FONT;
  context.textBaseline = "middle";
  const { from, to, found } = view;
  const { begin, end } = model.header;
  const scale = (width - gutter) / (to - from);
  const step = niceStep(100 / scale);
  context.textAlign = "left";
  for (let tick = Math.ceil((from - begin) / step) * step; tick <= to - begin; tick += step) {
    const x = Math.round(gutter + (tick + begin - from) * scale);
    context.fillStyle = theme.grid.css;
    context.fillRect(x, RULER, 1, height - RULER);
    context.fillStyle = theme.line.css;
    context.fillRect(x, RULER - 8, 1, 8);
    context.fillStyle = theme.faint.css;
    const text = tickText(tick, step);
    // The last one may have no room.
    if (x + 5 + context.measureText(text).width <= width) context.fillText(text, x + 5, RULER / 2);
  }
  if (found !== undefined) drawFound(context, theme, model, found.events, from, scale, gutter, width);
  context.fillStyle = theme.panel.css;
  context.fillRect(0, 0, gutter, RULER);
  context.fillStyle = theme.ink.css;
  context.fillText(`${shortDurationText(to - from)} shown`, 12, RULER / 2);
  context.fillStyle = theme.line.css;
  context.fillRect(0, RULER - 1, width, 1);
  const last = gutter + (end - from) * scale;
  if (last >= gutter && last <= width) {
    // Where the recording ends.
    context.fillStyle = theme.running.css;
    context.fillRect(Math.round(last), RULER - 10, 2, height);
  }
}

/** Ticks where a search found something. */
function drawFound(
  context: CanvasRenderingContext2D,
  theme: Theme,
  model: Model,
  events: Uint32Array,
  from: number,
  scale: number,
  gutter: number,
  width: number,
): void {
  context.fillStyle = theme.hit.css;
  let at = lowerBound(events, model.eventAt(from));
  while (at < events.length) {
    const x = Math.floor(gutter + ((model.times[events[at] ?? 0] ?? 0) - from) * scale);
    if (x > width) return;
    context.fillRect(x, RULER - 6, 2, 5);
    // What is in the same column is drawn with it.
    at = Math.max(at + 1, lowerBound(events, model.eventAt(from + (x + 1 - gutter) / scale), at));
  }
}

/** The shortest of 1, 2, 5, 10, 20, ... that is long enough. */
export function niceStep(least: number): number {
  const scale = 10 ** Math.floor(Math.log10(Math.max(least, 1)));
  return [1, 2, 5, 10].map((step) => step * scale).find((step) => step >= least) ?? 10 * scale;
}

function tickText(time: number, step: number): string {
  const [scale, unit] =
    time < 1e3 && step < 1e3
      ? [1, "ns"]
      : time < 1e6 && step < 1e6
        ? [1e3, "us"]
        : time < 1e9 && step < 1e9
          ? [1e6, "ms"]
          : [1e9, "s"];
  const digits = Math.max(0, Math.ceil(-Math.log10(step / scale) - 1e-9));
  return `${(time / scale || 0).toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits })} ${unit}`;
}
