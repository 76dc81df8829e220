/**
 * Emits numbered events until the disk of its output is full, goes on for a while,
 * makes room, and emits until events are written again. Prints how many it has
 * emitted. Started by tests, under the recorder, in a mount namespace of its own:
 * `disk.ts MOUNT-POINT`.
 */
import { flush, openSession, provider } from "../../../src/index.ts";
import { waitFor } from "../../support/processes.ts";

const ENOSPC = 28;
const [mountPoint = "", then = ""] = process.argv.slice(2);
const point = provider("test").tracepoint("event", [
  ["n", "u32"],
  ["text", "string"],
]);
const text = "x".repeat(100);
let n = 0;
function emit(count: number): void {
  for (const end = n + count; n < end; n++) point(n, text);
}
const session = await openSession();
await waitFor("the disk to be full", () => {
  emit(500);
  return session.info()?.writeErrno === ENOSPC;
});
// The program goes on untouched; the rings fill, and the rest is discarded.
emit(20_000);
if (then === "make room") {
  const { exitCode, stderr } = Bun.spawnSync(["mount", "-o", "remount,size=64m", mountPoint]);
  if (exitCode !== 0) throw new Error(stderr.toString());
  const before = session.info()?.recordsWritten ?? 0n;
  await waitFor("events to be written again", () => {
    emit(100);
    return (session.info()?.recordsWritten ?? 0n) > before;
  });
  await flush();
  // What comes now finds empty rings: not one is lost.
  const last = n;
  emit(10);
  await flush();
  const info = session.info();
  const { dropped, writeErrno } = info ?? {};
  console.log(JSON.stringify({ emitted: n, last, dropped: Number(dropped), writeErrno }));
} else {
  console.log(JSON.stringify({ emitted: n }));
}
