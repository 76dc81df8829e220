/**
 * The predicate of --where: precedence, negation, exact integers, texts and escapes; random predicates beside an
 * evaluation of their trees.
 */
import { expect, test } from "bun:test";

import type { FieldValue } from "../../src/ctf/objects.ts";
import { parseWhere } from "../../src/report/where.ts";
import { type Random, runCases } from "../support/random.ts";

const FIELDS: Readonly<Record<string, FieldValue>> = {
  zero: 0,
  one: 1,
  two: 2,
  negative: -5,
  half: 0.5,
  large: 9_007_199_254_740_993n,
  largest: 18_446_744_073_709_551_615n,
  least: -9_223_372_036_854_775_808n,
  yes: true,
  no: false,
  empty: "",
  text: "b",
  quotes: `a "b" 'c' \\d`,
};

function passes(text: string): boolean {
  return parseWhere(text)((name) => FIELDS[name]);
}

test.each([
  // A field alone.
  ["one", true],
  ["negative", true],
  ["zero", false],
  ["empty", false],
  ["no", false],
  ["missing", false],
  ["!one", false],
  ["!zero", true],
  ["!missing", true],
  ["!!one", true],
  ["!(zero == 0)", false],
  ["!zero && zero", false],
  ["!(zero && one)", true],
  // && before ||, ! before both.
  ["one || zero && zero", true],
  ["zero && zero || one", true],
  ["zero && (zero || one)", false],
  ["!zero || one && zero", true],
  ["zero && one || one && two", true],
  ["one || one && zero", true],
  // A comparison with a field that is not there is false, also that it is another.
  ["missing == 1", false],
  ["missing != 1", false],
  ["!(missing == 1)", true],
  ["1 != missing", false],
  // Bounds.
  ["two < 2", false],
  ["two <= 2", true],
  ["two > 2", false],
  ["two >= 2", true],
  ["two != 2", false],
  ["two < 3 && two > 1", true],
  ["negative == -5", true],
  ["negative < 0", true],
  ["negative > -6 && negative < -4.5", true],
  ["half == 0.5", true],
  ["half == 5e-1", true],
  ["two == 0x2", true],
  ["negative == -0x5", true],
  // Integers that doubles do not hold.
  ["large == 9007199254740993", true],
  ["large == 9007199254740992", false],
  ["large > 9007199254740992", true],
  ["large < 9007199254740994", true],
  ["large == 0x20000000000001", true],
  ["largest == 18446744073709551615", true],
  ["largest == 18446744073709551614", false],
  ["largest > 18446744073709551614", true],
  ["largest == 18446744073709551616", false],
  ["least == -9223372036854775808", true],
  ["least < -9223372036854775807", true],
  ["largest > least", true],
  // Times are nanoseconds.
  ["two == 2ns", true],
  ["two < 1us", true],
  // Texts are ordered, and are no numbers.
  ['text == "b"', true],
  ['text > "a"', true],
  ['text >= "b"', true],
  ['text < "b"', false],
  ['text != "a"', true],
  ['one == "1"', false],
  ['one != "1"', true],
  ['one < "2"', false],
  ['one >= "1"', false],
  [`quotes == "a \\"b\\" 'c' \\\\d"`, true],
  [`quotes == 'a "b" \\'c\\' \\\\d'`, true],
  [String.raw`quotes ~ "\\\\d$"`, true],
  [String.raw`two ~ "^\d$"`, true],
  [String.raw`two ~ "^\D$"`, false],
  // Spaces say nothing.
  ["one==1&&two==2", true],
  ["  one ==  1\n&& two == 2 \n ", true],
])("%s: %p", (text, isTrue) => {
  expect(passes(text)).toBe(isTrue);
});

test.each([
  ["", "it is empty"],
  ["  ", "it is empty"],
  ["one ==", "a field or a value is expected, not the end"],
  ["(one", "a ) is missing"],
  ["one)", "unexpected )"],
  ["one two", "unexpected two"],
  ["one ~ two", "a regular expression in quotes is expected after ~"],
  ["one & two", "& two is not understood"],
  ["1x == one", "1x == one is not understood"],
  ['text == "b', '"b is not understood'],
  ["one == 1 == 1", "unexpected =="],
  [`${"(".repeat(101)}one${")".repeat(101)}`, "nested too deep"],
  [`${"!".repeat(101)}one`, "nested too deep"],
])("%p is refused", (text, message) => {
  expect(() => passes(text)).toThrow(`--where ${text}: ${message}`);
});

test("as deep as it may be", () => {
  expect(passes(`${"(".repeat(99)}one${")".repeat(99)}`)).toBe(true);
});

/** A predicate, and whether it is true. */
type Tree = readonly [text: string, isTrue: boolean];

const NUMBERS: readonly [string, ...string[]] = [
  "zero",
  "one",
  "two",
  "negative",
  "large",
  "largest",
  "least",
];
const COMPARISONS: readonly [Comparison, ...Comparison[]] = [
  ["==", (a, b) => a === b],
  ["!=", (a, b) => a !== b],
  ["<", (a, b) => a < b],
  ["<=", (a, b) => a <= b],
  [">", (a, b) => a > b],
  [">=", (a, b) => a >= b],
];
type Comparison = readonly [operator: string, test: (a: bigint, b: bigint) => boolean];

/** @param level of the operator around: 0 none or ||, 1 &&, 2 ! */
function tree(random: Random, depth: number, level = 0): Tree {
  const dice = depth === 0 ? 0 : random.below(6);
  const around = ([text, isTrue]: Tree, own: number): Tree => [own < level ? `(${text})` : text, isTrue];
  if (dice > 3) {
    const [a, b] = [tree(random, depth - 1), tree(random, depth - 1)];
    return around([`${a[0]} || ${b[0]}`, a[1] || b[1]], 0);
  }
  if (dice > 1) {
    const [a, b] = [tree(random, depth - 1, 1), tree(random, depth - 1, 1)];
    return around([`${a[0]} && ${b[0]}`, a[1] && b[1]], 1);
  }
  if (dice === 1) {
    const [text, isTrue] = tree(random, depth - 1, 2);
    return [`!${text}`, !isTrue];
  }
  const name = random.pick(NUMBERS);
  const value = (one: string): bigint => BigInt(String(FIELDS[one]));
  const near = value(random.pick(NUMBERS)) + BigInt(random.below(3)) - 1n;
  const [operator, compare] = random.pick(COMPARISONS);
  return around([`${name} ${operator} ${near}`, compare(value(name), near)], 2);
}

test("random predicates", async () => {
  await runCases("test/report/where.test.ts", 500, 1, (random) => {
    const [text, isTrue] = tree(random, 6);
    expect(`${text}: ${passes(text)}`).toBe(`${text}: ${isTrue}`);
    return Promise.resolve();
  });
});
