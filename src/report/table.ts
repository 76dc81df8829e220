// Tables of text for terminals: columns as wide as their widest cell. Called by the commands that print reports.
import type { Style } from "./style.ts";

/** A column's heading, and how its cells stand. */
export interface TableColumn {
  readonly head: string;
  /** To the right, as numbers stand. */
  readonly right?: boolean;
  readonly style?: Style;
}

/** Text of a trace as part of a line: nothing in it moves the cursor, and it is not longer than `most` characters. */
export function lineText(text: string, most = Infinity): string {
  const line = text.replace(/[\p{Cc}\s]+/gu, " ").trim();
  return line.length > most ? `${line.slice(0, most - 3)}...` : line;
}

/** Rows as aligned lines, the headings first. */
export function tableLines(columns: readonly TableColumn[], rows: readonly (readonly string[])[]): string[] {
  const head = columns.map((column) => column.head);
  const widths = columns.map((_column, at) =>
    [head, ...rows].reduce((most, row) => Math.max(most, Bun.stringWidth(row[at] ?? "")), 0),
  );
  const line = (row: readonly string[], styled: boolean): string =>
    columns
      .map(({ right = false, style }, at) => {
        const cell = row[at] ?? "";
        const space = " ".repeat((widths[at] ?? 0) - Bun.stringWidth(cell));
        const text = styled && style !== undefined ? `${style.open}${cell}${style.close}` : cell;
        if (right) return space + text;
        return at === columns.length - 1 ? text : text + space;
      })
      .join("  ")
      .trimEnd();
  return [line(head, false), ...rows.map((row) => line(row, true))];
}
