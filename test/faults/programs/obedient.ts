/**
 * Does what the lines of its input say, and prints a line of JSON for each: `emit N`
 * (all events), `declare` (a new event type, one event of it), `flush`, `info`. Ends
 * by SIGKILL at the input's end. Started by tests, under the recorder.
 */
import { openSession, provider } from "../../../src/index.ts";

const test = provider("test");
const event = test.tracepoint("event", [["n", "u32"]]);
const session = await openSession();
let emitted = 0;
let types = 0;

async function obey(line: string): Promise<unknown> {
  const [command, count = "0"] = line.split(" ");
  if (command === "emit") for (let i = 0; i < Number(count); i++) event(emitted++);
  if (command === "declare") test.tracepoint(`late_${types++}`, [["n", "u32"]])(emitted++);
  if (command === "flush") await session.flush();
  const { recordsWritten, bytesWritten, discardedTold, dropped, writeErrno } = session.info() ?? {};
  return {
    emitted,
    recorded: Number(recordsWritten),
    bytes: Number(bytesWritten),
    discarded: Number(discardedTold),
    dropped: Number(dropped),
    writeErrno,
  };
}

for await (const line of console) console.log(JSON.stringify(await obey(line)));
process.kill(process.pid, "SIGKILL");
