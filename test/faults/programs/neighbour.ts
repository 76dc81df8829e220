/**
 * Looks at itself before and after a session was opened and used: what the tracer
 * must leave as it was. Prints what differs. Started by tests, not under the
 * recorder: `neighbour.ts OUTPUT SESSION-DIR`.
 */
import { dlopen } from "bun:ffi";
import { readdirSync, readlinkSync } from "node:fs";

import { flush, openSession, provider } from "../../../src/index.ts";
import { childrenOf, consumersOf, openDescriptors, signalMask, waitFor } from "../../support/processes.ts";

const [output = "", sessionDir = ""] = process.argv.slice(2);
const point = provider("test").tracepoint("event", [["n", "u32"]]);

function look(): object {
  return {
    descriptors: openDescriptors(),
    children: childrenOf(process.pid),
    caught: String(signalMask("self", "SigCgt")),
    ignored: String(signalMask("self", "SigIgn")),
    blocked: String(signalMask("self", "SigBlk")),
  };
}

// Both looks come after everything that Bun itself opens when it is first used.
await Bun.sleep(1);
const libc = dlopen("libc.so.6", {
  dup: { args: ["i32"], returns: "i32" },
  waitpid: { args: ["i32", "ptr", "i32"], returns: "i32" },
}).symbols;
const WNOHANG = 1;
const WALL = 0x40000000;

const told: Record<string, number> = { SIGCHLD: 0, SIGUSR1: 0, SIGUSR2: 0 };
for (const signal of ["SIGCHLD", "SIGUSR1", "SIGUSR2"] as const)
  process.on(signal, () => {
    told[signal] = (told[signal] ?? 0) + 1;
  });
await Bun.sleep(1);
// A descriptor that a child would inherit.
libc.dup(1);
const before = look();

const session = await openSession({ output, sessionDir, subBufferSize: 4096, subBuffers: 2, mode: "block" });
for (let n = 0; n < 5000; n++) point(n);
await flush();
const during = look();
const [consumer] = consumersOf(sessionDir);
for (const signal of ["SIGUSR1", "SIGUSR2"] as const) process.kill(process.pid, signal);
await waitFor("the program's own signals", () => told["SIGUSR1"] === 1 && told["SIGUSR2"] === 1);
const sameConsumer = consumersOf(sessionDir)[0] === consumer;
const consumersDescriptors = readdirSync(`/proc/${consumer}/fd`)
  .map((fd) => readlinkSync(`/proc/${consumer}/fd/${fd}`))
  .filter((target) => ![output, sessionDir].some((own) => target.startsWith(own)))
  .sort();
await session.close();
const after = look();
await Bun.sleep(20);

console.log(
  JSON.stringify({
    before,
    during,
    after,
    told,
    sameConsumer,
    consumersDescriptors,
    // -1: there is no child to wait for, of any kind.
    waited: libc.waitpid(-1, null, WNOHANG | WALL),
  }),
);
