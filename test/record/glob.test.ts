/** Globs over event names, and the rules that a session makes of them. */
import { expect, test } from "bun:test";

import { parseGlob, parseRules } from "../../src/record/glob.ts";
import { LEVELS } from "../../src/record/levels.ts";

test.each([
  ["http:request", "http:request", true],
  ["http:request", "http:requests", false],
  ["request", "http:request", false],
  ["http:*", "http:", true],
  ["*:request_*", "http:request_begin", true],
  ["http:request_?", "http:request_1", true],
  ["http:request_?", "http:request_", false],
  ["a.b:*", "a.b:x", true],
  ["a.b:*", "axb:x", false],
  ["a-b:?", "a-b:-", true],
])("%s on %s: %p", (glob, name, matches) => {
  expect(parseGlob(glob)(name, LEVELS.info)).toBe(matches);
});

test("a level has all that are as grave, and those that are graver", () => {
  const matching = Object.keys(LEVELS).filter((_, i) =>
    parseGlob("*@warning")("a:b", Object.values(LEVELS)[i]!),
  );
  expect(matching).toEqual(["emergency", "alert", "critical", "error", "warning"]);
});

test.each([
  [[], true],
  [["other:*"], false],
  [["*", "!test:*"], false],
  [["!test:*", "*"], true],
  [["test:*", "!*", "test:o?e"], true],
  // Somebody is writing it.
  [["*", "!test:("], true],
])("of the rules %j the last that matches decides", (rules, enabled) => {
  expect(parseRules(rules)("test:one", LEVELS.info)).toBe(enabled);
});
