// The functions in WebAssembly that walks call (wasm-walk.ts), put into each module by scan.ts.
import { FunctionCode, get, i32, i64 } from "./wasm.ts";

/** Indexes of the functions that walks call, in their module. */
export interface Helpers {
  /** Address of the first NUL from an address on, or the second address. */
  readonly nulBefore: number;
  /** The bytes of an integer the other way round. */
  readonly swap: number;
}

/** The functions of {@link Helpers}, which begin at an index of their module. */
export function makeHelpers(first: number): {
  functions: { name: string; code: FunctionCode }[];
  helpers: Helpers;
} {
  return {
    functions: [
      { name: "nulBefore", code: nulBeforeFunction() },
      { name: "swap", code: swapFunction() },
    ],
    helpers: { nulBefore: first, swap: first + 1 },
  };
}

function nulBeforeFunction(): FunctionCode {
  const code = new FunctionCode(["i32", "i32"], ["i32"]);
  const [at, end] = [code.parameter(0), code.parameter(1)];
  const done = code.block();
  const again = code.loop();
  code.jumpIf(i32.eqz(i32.ltU(get(at), get(end))), done);
  code.jumpIf(i32.eqz(i32.load8(get(at))), done);
  code.set(at, i32.add(get(at), i32.const(1)));
  code.jump(again);
  code.end();
  code.end();
  code.add(get(at));
  return code;
}

function swapFunction(): FunctionCode {
  const code = new FunctionCode(["i64"], ["i64"]);
  const value = code.parameter(0);
  for (const [shift, mask] of [
    [8, 0x00ff_00ff_00ff_00ffn],
    [16, 0x0000_ffff_0000_ffffn],
    [32, 0x0000_0000_ffff_ffffn],
  ] as const) {
    const up = i64.shl(i64.and(get(value), i64.const(mask)), i64.const(shift));
    const down = i64.and(i64.shrU(get(value), i64.const(shift)), i64.const(mask));
    code.set(value, i64.or(up, down));
  }
  code.add(get(value));
  return code;
}
