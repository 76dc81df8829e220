/** Numbers as text beside C's printf, as bash has it: `%g` of doubles, most of all where six digits are rounded. */
import { expect, test } from "bun:test";

import { general, integer, nineDigits, real } from "../../src/report/digits.ts";
import { runCases } from "../support/random.ts";

/** Decimals of which a double from 1e-20 on has no more. */
const PLACES = 120;

/** All digits of such a double. */
function exact(value: number): string {
  const digits = String(BigInt(Math.abs(value) * 2 ** PLACES) * 5n ** BigInt(PLACES)).padStart(
    PLACES + 1,
    "0",
  );
  return `${value < 0 ? "-" : ""}${digits.slice(0, -PLACES)}.${digits.slice(-PLACES)}`;
}

async function printf(values: readonly number[]): Promise<string[]> {
  const bash = Bun.spawn(["bash", "-c", 'printf "%g\\n" $(cat)'], {
    env: { ...process.env, LC_ALL: "C" },
    stdin: Buffer.from(values.map(exact).join(" ")),
    stdout: "pipe",
  });
  return (await bash.stdout.text()).trimEnd().split("\n");
}

const bytes = new Uint8Array(64);
const view = new DataView(bytes.buffer);

function ours(value: number): string {
  bytes.fill(0x23);
  return Buffer.from(bytes.subarray(0, real(bytes, view, 0, value))).toString();
}

test("doubles", async () => {
  await runCases("test/report/digits.test.ts", 4, 1, async (random) => {
    const values = Array.from({ length: 5000 }, () => {
      const digits = random.below(1_000_000);
      const exponent = random.below(14) - 10;
      const sign = random.below(2) === 0 ? 1 : -1;
      // Of seven digits with a 5 at the end, the doubles around what lies in the middle of two roundings.
      const middle = Number(`${digits}5e${exponent}`);
      const near = new Float64Array([middle]);
      const word = new BigInt64Array(near.buffer);
      word[0] = (word[0] ?? 0n) + BigInt(random.below(5) - 2);
      switch (random.below(4)) {
        case 0:
          return sign * middle;
        case 1:
          return sign * (near[0] ?? 0);
        case 2:
          return sign * Number(`${digits}e${exponent}`);
        default:
          return sign * (random.u32() / 2 ** 32) * 10 ** (random.below(20) - 8);
      }
    }).filter((value) => Math.abs(value) > 1e-20);
    values.push(
      0.999_999_6,
      0.099_999_996,
      9.999_999_6,
      999_999,
      999_999.5,
      999_998.5,
      99_999.95,
      0.000_1,
      0.000_099_999_95,
      1e6,
      123_456.5,
      123_457.5,
    );
    const right = await printf(values);
    const wrong = values.flatMap((value, at) =>
      ours(value) === right[at] && general(value) === right[at]
        ? []
        : [`${exact(value)}: ${ours(value)}, ${general(value)}, not ${right[at]}`],
    );
    expect(wrong.slice(0, 5)).toEqual([]);
  });
});

test("integers at the bounds of their ways to be written", () => {
  const text = (value: number): string => {
    bytes.fill(0x23);
    return Buffer.from(bytes.subarray(0, integer(view, 0, value))).toString();
  };
  const edges = Array.from({ length: 16 }, (_none, power) => 10 ** power).flatMap((power) => [
    power - 1,
    power,
    power + 1,
    power * 9,
  ]);
  for (const value of [0, ...edges, 2 ** 31, 2 ** 32, 2 ** 53 - 1, 2 ** 53])
    for (const signed of [value, -value || 0]) expect(text(signed)).toBe(String(signed));
  for (const value of [0, 1, 9999, 10_000, 99_999_999, 100_000_000, 123_456_789, 999_999_999]) {
    nineDigits(bytes, view, 0, value);
    expect(Buffer.from(bytes.subarray(0, 9)).toString()).toBe(String(value).padStart(9, "0"));
  }
});
