// A histogram of durations as lines for a terminal: logarithmic rows with bars, and marks where the percentiles are. Called
// by the hist command.
import { type Histogram, PERCENTILES } from "./histogram.ts";
import type { Palette } from "./style.ts";
import { countText, shortDurationText } from "./number-text.ts";
import { tableLines } from "./table.ts";

/** Rows at most, unless the values are more than so many decades apart. */
const MAX_ROWS = 24;

/** Where rows of a decade begin, from coarse to fine: three digits at most, as the histogram keeps them. */
const SERIES: readonly (readonly number[])[] = [
  [1],
  [1, 3],
  [1, 2, 5],
  [1, 1.5, 2, 3, 5, 7],
  [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8],
  Array.from({ length: 90 }, (_none, at) => 1 + at / 10),
  Array.from({ length: 900 }, (_none, at) => 1 + at / 100),
];

/** A row: values from `from` to before `to`, nanoseconds. */
interface Row {
  readonly from: number;
  readonly to: number;
  count: number;
}

/** So many rows without values in a row are drawn as one. */
const MIN_FOLDED = 3;

/** The histogram's lines; it must have values. @param width columns of the terminal */
export function histogramLines(histogram: Histogram, width: number, { time, value }: Palette): string[] {
  const rows = folded(rowsOf(histogram));
  const marks = PERCENTILES.map(([name, share]) => [name, histogram.percentile(share)] as const);
  const lines = tableLines(
    [
      { head: "from", right: true, style: time },
      { head: "count", right: true },
      { head: "share", right: true },
      { head: "" },
    ],
    rows.map((row) => {
      if (row === undefined) return ["..."];
      const { from, to, count } = row;
      return [
        shortDurationText(from),
        countText(count),
        `${((count / histogram.count) * 100).toFixed(1)} %`,
        marks.flatMap(([name, at]) => (at >= from && at < to ? [name] : [])).join(" "),
      ];
    }),
  );
  const used = lines.reduce((most, line) => Math.max(most, Bun.stringWidth(line)), 0) + 2;
  const most = rows.reduce((most_, row) => Math.max(most_, row?.count ?? 0), 1);
  return lines.map((line, index) => {
    const row = rows[index - 1];
    if (row === undefined || row.count === 0) return line;
    const bar = barOf(row.count / most, Math.max(10, width - used));
    return `${line}${" ".repeat(used - Bun.stringWidth(line))}${value.open}${bar}${value.close}`;
  });
}

/** The rows, with nothing in place of long runs of rows without values. */
function folded(rows: readonly Row[]): (Row | undefined)[] {
  return rows.flatMap((row, at) => {
    if (row.count > 0) return [row];
    const begin = rows.findLastIndex(({ count }, before) => before < at && count > 0) + 1;
    const end = rows.findIndex(({ count }, after) => after > at && count > 0);
    if (end - begin < MIN_FOLDED) return [row];
    return at === begin ? [undefined] : [];
  });
}

/** The finest rows that are not too many. */
function rowsOf(histogram: Histogram): Row[] {
  let rows: Row[] = [];
  for (const series of SERIES) {
    const finer = edges(series, histogram.min, histogram.max);
    if (rows.length > 0 && finer.length - 1 > MAX_ROWS) break;
    rows = finer.slice(0, -1).map((from, at) => ({ from, to: finer[at + 1] ?? Infinity, count: 0 }));
  }
  let at = 0;
  for (const { from, count } of histogram.buckets()) {
    while (at < rows.length - 1 && from >= (rows[at]?.to ?? Infinity)) at += 1;
    const row = rows[at];
    if (row !== undefined) row.count += count;
  }
  return rows;
}

/** Where rows begin, from the one with the least value to the end of the one with the greatest. */
function edges(series: readonly number[], least: number, greatest: number): number[] {
  const found = [0];
  for (let decade = 1; (found.at(-1) ?? 0) <= greatest; decade *= 10) {
    for (const digit of series) {
      // Hundredths, since 1.1 * 1000 is not 1100.
      const edge = (Math.round(digit * 100) * decade) / 100;
      // Times are whole nanoseconds.
      if (!Number.isInteger(edge)) continue;
      if (edge <= least) found.length = 0;
      if ((found.at(-1) ?? 0) <= greatest) found.push(edge);
    }
  }
  return found;
}

const EIGHTHS = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"] as const;

/** A bar of a share of the width; never nothing. */
function barOf(share: number, width: number): string {
  const eighths = Math.max(1, Math.round(share * width * 8));
  return "█".repeat(Math.floor(eighths / 8)) + (EIGHTHS[eighths % 8] ?? "");
}
