/**
 * Random numbers that can be had again: a seeded generator, and the running of
 * many seeded cases with the command that repeats one of them. Used by tests and by
 * the programs they start.
 */

/** xorshift32 after a splitmix of the seed: small, and the same on every machine. */
export class Random {
  #state: number;

  /** @param stream tells apart the generators of one seed: a case's number. */
  constructor(seed: number, stream = 0) {
    let z = (seed + Math.imul(stream + 1, 0x9e3779b9)) | 0;
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    this.#state = (z ^ (z >>> 16)) >>> 0 || 1;
  }

  /** 0 to 2^32 - 1. */
  u32(): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x >>> 0;
    return this.#state;
  }

  /** 0 to n - 1. */
  below(n: number): number {
    return Math.floor((this.u32() / 2 ** 32) * n);
  }

  /** least to most, both included. */
  between(least: number, most: number): number {
    return least + this.below(most - least + 1);
  }

  pick<T>(list: readonly [T, ...T[]]): T {
    return list[this.below(list.length)] ?? list[0];
  }
}

/** A whole number from the environment: how a test's big form is asked for, and a case repeated. */
export function numberFromEnvironment(name: string, otherwise: number): number {
  const text = process.env[name];
  if (text === undefined || text === "") return otherwise;
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new Error(`${name}=${text} is not a whole number`);
  return value;
}

let announced = false;

/** The seed of this run of the tests: BUNTRACE_SEED, or a new one; printed once. */
export const SEED = numberFromEnvironment("BUNTRACE_SEED", Math.floor(Math.random() * 2 ** 31));

/** The seed, printed. */
export function seed(): number {
  if (!announced) console.error(`seed of this run: BUNTRACE_SEED=${SEED}`);
  announced = true;
  return SEED;
}

/**
 * Runs cases 0 to count - 1, `parallel` at a time, each with its own generator.
 * @param file the test's file, for the message of a case that fails.
 * @throws Error with the command that runs the failed case alone.
 */
export async function runCases(
  file: string,
  count: number,
  parallel: number,
  run: (random: Random, index: number) => Promise<void>,
): Promise<void> {
  const start = seed();
  const only = process.env["BUNTRACE_CASE"];
  let next = only === undefined ? 0 : Number(only);
  const end = only === undefined ? count : next + 1;
  const lane = async (): Promise<void> => {
    while (next < end) {
      const index = next++;
      try {
        await run(new Random(start, index), index);
      } catch (error) {
        next = end;
        throw new Error(
          `case ${index} failed; alone: BUNTRACE_SEED=${start} BUNTRACE_CASE=${index} bun test ${file}\n${String(error)}`,
          { cause: error },
        );
      }
    }
  };
  const lanes = await Promise.allSettled(Array.from({ length: parallel }, lane));
  for (const outcome of lanes) if (outcome.status === "rejected") throw outcome.reason;
}
