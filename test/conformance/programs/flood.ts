/**
 * Emits numbered events of random sizes as fast as it can, some of them larger than
 * a sub-buffer of 4096 bytes, and prints what became of them. Started by tests,
 * under the recorder: `flood.ts COUNT SEED EVERY`, one in EVERY too large (0: none).
 */
import { openSession, flush, provider } from "../../../src/index.ts";
import { Random } from "../../support/random.ts";

const [count = 0, seed = 0, every = 0] = process.argv.slice(2).map(Number);
const event = provider("test").tracepoint("event", [
  ["n", "u32"],
  ["times", "u16"],
  ["text", "string"],
]);
const random = new Random(seed);
let tooLarge = 0;
for (let n = 0; n < count; n++) {
  const large = every > 0 && n % every === every - 1;
  if (large) tooLarge++;
  const times = large ? 5000 : random.between(1, random.below(20) === 0 ? 400 : 20);
  event(n, times, String(n).repeat(times));
}
await flush();
const info = (await openSession()).info();
console.log(
  JSON.stringify({
    emitted: count,
    tooLarge,
    recordsWritten: Number(info?.recordsWritten),
    discardedTold: Number(info?.discardedTold),
  }),
);
