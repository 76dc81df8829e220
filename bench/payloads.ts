/**
 * The events that benches emit: a burst of each payload, as bench/floor.c and
 * bench/compare/ have them too. Runs in the emitting process.
 */
import { provider } from "../src/index.ts";

/** The strings of i32_string, 20 characters each. */
export const texts = [
  "GET /index/of/page22",
  "GET /index/of/page23",
  "GET /index/of/page24",
  "GET /index/of/page25",
] as const;
const bench = provider("bench");

/** A burst of each payload. Loops are written out: a callback would be measured too. */
export const bursts: Readonly<Record<string, () => (n: number) => void>> = {
  none: () => {
    const event = bench.tracepoint("none");
    return (n) => {
      for (let i = 0; i < n; i++) event();
    };
  },
  i32: () => {
    const event = bench.tracepoint("i32", [["a", "i32"]]);
    return (n) => {
      for (let i = 0; i < n; i++) event(i);
    };
  },
  two_f64: () => {
    const event = bench.tracepoint("two_f64", [
      ["a", "f64"],
      ["b", "f64"],
    ]);
    return (n) => {
      for (let i = 0; i < n; i++) event(i, i * 0.5);
    };
  },
  i32_string: () => {
    const event = bench.tracepoint("i32_string", [
      ["a", "i32"],
      ["s", "string"],
    ]);
    return (n) => {
      for (let i = 0; i < n; i++) event(i, texts[i & 3]!);
    };
  },
  eight: () => {
    const event = bench.tracepoint("eight", [
      ["a", "i32"],
      ["b", "f64"],
      ["c", "u8"],
      ["d", "u16"],
      ["e", "i32"],
      ["f", "f64"],
      ["g", "bool"],
      ["h", "u32"],
    ]);
    return (n) => {
      for (let i = 0; i < n; i++) event(i, i * 0.5, i & 255, i & 65535, i, i * 0.25, (i & 1) === 1, i);
    };
  },
};
