// Tables of text for terminals: columns as wide as their widest cell. Called by the commands that print reports.
import type { Style } from "./style.ts";

/** A column's heading, and how its cells stand. */
export interface TableColumn {
  readonly head: string;
  /** To the right, as numbers stand. */
  readonly right?: boolean;
  readonly style?: Style;
}

/** Text, or text in a style of its own. */
export type TableCell = string | { readonly text: string; readonly style: Style };

/** Text of a trace as part of a line: nothing in it moves the cursor, and it is not longer than `most` characters. */
export function lineText(text: string, most = Infinity): string {
  const line = printable(text).replace(/\s+/g, " ").trim();
  return line.length > most ? `${line.slice(0, most - 3)}...` : line;
}

/** Control characters as spaces: names and texts may hold any. */
export function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, " ");
}

/** Rows as aligned lines, the headings first. */
export function tableLines(
  columns: readonly TableColumn[],
  rows: readonly (readonly TableCell[])[],
): string[] {
  const texts = [
    columns.map(({ head }) => head),
    ...rows.map((row) => row.map((cell) => printable(textOf(cell)))),
  ];
  const widths = columns.map((_column, at) =>
    texts.reduce((most, row) => Math.max(most, Bun.stringWidth(row[at] ?? "")), 0),
  );
  return texts.map((row, line) =>
    columns
      .map(({ right = false, style: ofColumn }, at) => {
        const text = row[at] ?? "";
        const space = " ".repeat((widths[at] ?? 0) - Bun.stringWidth(text));
        const cell = rows[line - 1]?.[at];
        const style = typeof cell === "object" ? cell.style : line === 0 ? undefined : ofColumn;
        const styled = style === undefined || text === "" ? text : `${style.open}${text}${style.close}`;
        return right ? space + styled : at === columns.length - 1 ? styled : styled + space;
      })
      .join("  ")
      .trimEnd(),
  );
}

function textOf(cell: TableCell): string {
  return typeof cell === "string" ? cell : cell.text;
}
