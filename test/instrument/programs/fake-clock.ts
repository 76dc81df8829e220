/** Run by `bun test`: fakes timers and clock, lets the real loop run meanwhile, and blocks it before and after. */
import { expect, jest, test } from "bun:test";

import { provider } from "../../../src/index.ts";

const phase = provider("test").tracepoint("phase", [["name", "string"]]);

/** Not by the clock, which stands still. */
function work(): void {
  for (let sum = 0, i = 0; i < 5e7; i++) sum += i;
}

test("fakes", async () => {
  await Bun.sleep(350);
  phase("faked");
  jest.useFakeTimers();
  jest.advanceTimersByTime(1_000_000);
  for (let round = 0; round < 30; round++) {
    work();
    await Bun.file(import.meta.path).text();
    expect(jest.getTimerCount()).toBe(0);
    jest.advanceTimersByTime(1_000_000);
    jest.runAllTimers();
  }
  jest.useRealTimers();
  phase("real");
  await Bun.sleep(600);
  phase("blocked");
  Bun.sleepSync(500);
  await Bun.sleep(350);
});
