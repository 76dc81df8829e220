/**
 * Emits events and prints how many had no ring. Started by tests, under the recorder,
 * with a session directory of a few pages: `no-memory.ts [COUNT]`.
 */
import { provider } from "../../../src/index.ts";
import { readHeader } from "../../../src/record/session-file.ts";
import { thread } from "../../../src/record/thread.ts";

const point = provider("test").tracepoint("event", [["n", "u32"]]);
const emitted = Number(process.argv[2] ?? 1000);
for (let n = 0; n < emitted; n++) point(n);
const open = thread.session as { header: Buffer } | undefined;
const ringlessDiscarded = open ? Number(readHeader(open.header).ringlessDiscarded) : -1;
console.log(JSON.stringify({ emitted, ringlessDiscarded }));
