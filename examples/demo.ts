/**
 * The demo, `bun run demo`: records the example server under load, kills it with
 * SIGKILL in the middle, and shows that the trace has every request that a client got
 * answered. Uses the command as anybody would; the traced server is a process of its
 * own. Ends with 1 when an answered request is missing.
 *
 * Runs right after `bun install`, and imports nothing that has to be installed.
 */
import { join } from "node:path";

import { type Answer, load } from "./load.ts";

const HERE = import.meta.dirname;
const CLI = join(HERE, "../src/cli.ts");
const OUTPUT = "buntrace.data";

/** Answers after which the server is killed: some hundred milliseconds of load. */
const KILL_AFTER = 2000;

/** The longest the server may take to start, or to be recorded to its end. */
const TIMEOUT_MS = 30_000;

/** Events shown from before the kill. */
const LAST = 12;

/** Every event of a trace as `print --json` shows it, as far as the demo looks. */
interface Printed {
  readonly name: string;
  readonly fields: { readonly request?: number };
}

function say(text: string): void {
  console.log(`\n--- ${text}`);
}

/** Resolves as the promise does. @throws Error after {@link TIMEOUT_MS}. */
async function inTime<T>(what: string, promise: Promise<T>): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`${what} took more than 30 s`)), TIMEOUT_MS);
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Runs the command, shows its line, and gives what it prints. */
async function buntrace(...args: string[]): Promise<string> {
  console.log(`$ buntrace ${args.join(" ")}`);
  const command = Bun.spawn([process.execPath, CLI, ...args], { stdout: "pipe", stderr: "inherit" });
  const text = await command.stdout.text();
  if ((await command.exited) !== 0) throw new Error(`buntrace ${args[0]} ended with ${command.exitCode}`);
  return text;
}

/** The first line of a stream. */
async function firstLine(stream: ReadableStream<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of stream) {
    text += decoder.decode(chunk, { stream: true });
    const end = text.indexOf("\n");
    if (end >= 0) return text.slice(0, end);
  }
  throw new Error("the server ended before it printed its URL");
}

/** Records the server under load until it is killed. @returns what the clients got answered. */
async function recordAndKill(): Promise<readonly Answer[]> {
  say("recording the example server");
  console.log(`$ buntrace record -o ${OUTPUT} examples/server.ts`);
  const record = Bun.spawn([process.execPath, CLI, "record", "-o", OUTPUT, join(HERE, "server.ts")], {
    stdout: "pipe",
    stderr: "inherit",
    env: { ...process.env, PORT: "0" },
  });
  try {
    const [url, pid] = (await inTime("the start", firstLine(record.stdout))).split(" ");
    if (url === undefined || pid === undefined) throw new Error("the server did not say where it is");
    say(`sending requests to ${url}; after ${KILL_AFTER} answers: kill -9 ${pid}`);
    let answers = 0;
    const result = await load(url, {
      onAnswer() {
        if (++answers === KILL_AFTER) process.kill(Number(pid), "SIGKILL");
      },
    });
    console.log(
      `${result.answered.length} requests answered, ${result.unanswered} cut off by the kill, ` +
        `in ${(result.seconds * 1000).toFixed(0)} ms`,
    );
    await inTime("the recording's end", record.exited);
    return result.answered;
  } finally {
    // On a failure above; SIGTERM goes on to the server.
    if (record.exitCode === null && record.signalCode === null) record.kill();
  }
}

/** Compares what was answered with what was recorded. @returns how many requests are missing. */
async function compare(answered: readonly Answer[]): Promise<number> {
  say("is every answered request in the trace?");
  const printed = await buntrace("print", "--json", OUTPUT);
  const events = printed
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Printed);
  const recorded = new Set(
    events.filter(({ name }) => name === "shop:request_received").map(({ fields }) => fields.request),
  );
  const ended = events.filter(({ name }) => name === "http_server:request_end").length;
  const missing = answered.filter(({ request }) => !recorded.has(request)).length;
  console.log(`answered: ${answered.length}`);
  console.log(`in the trace: ${recorded.size} received by a handler, ${ended} ends of http_server:request`);
  console.log(`answered and not in the trace: ${missing}`);
  return missing;
}

const answered = await recordAndKill();

say("what was recorded");
console.log((await buntrace("info", OUTPUT)).trimEnd());

say("the last events before the kill");
const lines = (await buntrace("print", OUTPUT)).trimEnd().split("\n");
console.log(lines.slice(-LAST).join("\n"));

const missing = await compare(answered);

say(missing === 0 ? "nothing is missing; look around with:" : "events are missing: that is a bug");
console.log("bun src/cli.ts print -e 'shop:*' | less");
console.log("babeltrace2 buntrace.data   # any CTF reader will do");
process.exitCode = missing === 0 ? 0 : 1;
