/** Tables of text: columns as wide as what is seen of their cells, and texts that fit a line. */
import { expect, test } from "bun:test";

import { lineText, tableLines } from "../../src/report/table.ts";

test("columns are aligned by what a terminal shows: wide characters, colours, none", () => {
  const style = { open: "\u001b[1m", close: "\u001b[22m" };
  const lines = tableLines(
    [{ head: "name", style }, { head: "n", right: true }, { head: "last" }],
    [
      ["a", "1", "x"],
      ["漢字漢字漢", "1,234", ""],
      ["tab\there", { text: "12", style }, "y"],
    ],
  );
  expect(lines.map((line) => Bun.stripANSI(line))).toEqual([
    "name            n  last",
    "a               1  x",
    "漢字漢字漢  1,234",
    "tab here       12  y",
  ]);
  expect(lines[1]).toStartWith("\u001b[1ma\u001b[22m ");
  expect(lines[3]).toContain("\u001b[1m12\u001b[22m");
});

test.each([
  [" a \n\t b ", Infinity, "a b"],
  ["12345", 5, "12345"],
  ["123456", 5, "12..."],
  ["\u001b[31mred", Infinity, "[31mred"],
])("%p in a line of %p", (text, most, line) => {
  expect(lineText(text, most)).toBe(line);
});
