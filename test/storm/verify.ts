/**
 * What must hold after a round of the storm, however it went: of the trace and of
 * each snapshot, by babeltrace2 and by the packets themselves. Runs in the test
 * process.
 */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";

import { babeltrace } from "../support/babeltrace.ts";
import { type Packet, readPackets, streamFiles } from "../support/packets.ts";
import { drops, mayBeTooLarge, PATIENT_MS, type Plan, textOf, type ThreadPlan } from "./plan.ts";
import type { Outcome, Snapshot } from "./round.ts";

/** What a trace holds of one thread. */
interface Stream {
  /** The numbers of its events, in order. */
  readonly numbers: readonly number[];
  readonly discarded: number;
}

const EVENT =
  /^timestamp = [\d.]+, trace = \S*, .*name = test:(tick|toggled), stream\.packet\.context = \{ event_count = \d+, tid = \d+, thread_name = "slot-(\d+)" \}, event\.fields = \{ slot = (\d+), n = (\d+), text = "([a-z]*)" \}$/;
const DISCARDED = /^WARNING: Tracer discarded \d+ events? between /;
const DISCARDED_OR_LOST = /^WARNING: Tracer (may have )?discarded (\d+ )?(event|packet)s? between /;

function fail(what: string, detail: unknown): never {
  throw new Error(`${what}: ${JSON.stringify(detail)}`);
}

/** Reads a trace of the emitter; every value is compared with what the plan says was emitted. */
async function readStreams(dir: string, plan: Plan, incomplete: boolean): Promise<Map<number, Stream>> {
  const threads = new Map(plan.lanes.flat().map((thread) => [thread.slot, thread]));
  const args = ["--clock-seconds", "--no-delta", "--fields=loglevel,trace", "--names=all", dir];
  const { stdout, stderr, status } = await babeltrace(args);
  const complaints = stderr
    .split("\n")
    .filter((line) => line !== "" && !(incomplete ? DISCARDED_OR_LOST : DISCARDED).test(line));
  if (status !== 0 || complaints.length > 0) fail("babeltrace2", { dir, status, stderr });
  const numbers = new Map<number, number[]>();
  for (const line of stdout.split("\n")) {
    if (line === "") continue;
    const [, type, name, slot, n, text] = EVENT.exec(line) ?? fail("an event of another form", line);
    const thread = threads.get(Number(slot)) ?? fail("an event of no thread", line);
    if (name !== slot || type !== (thread.toggled ? "toggled" : "tick")) fail("a mixed event", line);
    if (text !== textOf(thread.seed, Number(n), plan.subBufferSize)) fail("a wrong text", line);
    const list = numbers.get(thread.slot) ?? [];
    numbers.set(thread.slot, list);
    list.push(Number(n));
  }
  return new Map(
    packetsBySlot(dir).map(([slot, packets]) => [slot, streamOf(slot, packets, numbers, incomplete)]),
  );
}

/** The packets of each stream, over all its files, with the slot that its thread is named after. */
function packetsBySlot(dir: string): [number, Packet[]][] {
  const packets = readdirSync(dir).flatMap((trace) =>
    streamFiles(join(dir, trace)).flatMap((file) => {
      const found = readPackets(join(dir, trace, file));
      return found.length > 0 ? found : fail("a file without packets", join(trace, file));
    }),
  );
  return [...Map.groupBy(packets, ({ instance }) => instance).values()].map((stream): [number, Packet[]] => {
    stream.sort((a, b) => a.sequence - b.sequence);
    const name = stream[0]?.threadName ?? "";
    const [, slot] = /^slot-(\d+)$/.exec(name) ?? fail("a stream of no thread", name);
    return [Number(slot), stream];
  });
}

function streamOf(
  slot: number,
  packets: readonly Packet[],
  numbers: Map<number, number[]>,
  incomplete: boolean,
): Stream {
  const list = numbers.get(slot) ?? [];
  const counted = packets.reduce((sum, { eventCount }) => sum + eventCount, 0);
  if (counted !== list.length)
    fail("packets count other events than are read", { slot, counted, read: list.length });
  for (const [i, packet] of packets.entries()) {
    const before = packets[i - 1];
    const isNext = incomplete ? packet.sequence > (before?.sequence ?? -1) : packet.sequence === i;
    if (!isNext || packet.end < packet.begin) fail("a packet's number or times", { slot, i });
    if (before && (packet.begin < before.end || packet.discarded < before.discarded))
      fail("packets that go back", { slot, i });
  }
  for (const [i, n] of list.entries())
    if (i > 0 && n <= (list[i - 1] ?? 0))
      fail("events out of order, or twice", { slot, n, before: list[i - 1] });
  return { numbers: list, discarded: packets.at(-1)?.discarded ?? 0 };
}

/** Numbers between the first and the last that are missing, though their records fit a sub-buffer. */
function missing({ numbers }: Stream, { seed }: ThreadPlan, plan: Plan, from: number): number[] {
  const there = new Set(numbers);
  const last = numbers.at(-1) ?? from;
  const gaps: number[] = [];
  for (let n = from; n < last; n++)
    if (!there.has(n) && !mayBeTooLarge(textOf(seed, n, plan.subBufferSize), plan.subBufferSize))
      gaps.push(n);
  return gaps;
}

/** Whether a thread may have emitted one event more than it counted: its end came in between. */
function mayBeAhead(plan: Plan, { terminateAfterMs }: ThreadPlan): boolean {
  return terminateAfterMs !== undefined || plan.end !== "natural";
}

const NOTHING: Stream = { numbers: [], discarded: 0 };

function verifyThread(plan: Plan, thread: ThreadPlan, stream: Stream, outcome: Outcome): void {
  const counted = outcome.counts[thread.slot] ?? 0;
  const emitted = stream.numbers.length + stream.discarded;
  const most = counted + (mayBeAhead(plan, thread) ? 1 : 0);
  // Each switch may come between a thread's own look at `enabled` and the event.
  const least = counted - (thread.toggled ? outcome.toggles : 0);
  const detail = { slot: thread.slot, counted, recorded: stream.numbers.length, discarded: stream.discarded };
  const incomplete = drops(plan.limits);
  if ((emitted < least && !incomplete) || emitted > most) fail("emitted is not recorded + discarded", detail);
  if (thread.toggled) return;
  const lossless = stream.discarded === 0 || (plan.mode === "block" && plan.blockTimeout === PATIENT_MS);
  if (lossless || plan.mode === "overwrite") {
    const from = plan.mode === "overwrite" || incomplete ? (stream.numbers[0] ?? 0) : 0;
    const gaps = missing(stream, thread, plan, from);
    if (gaps.length > 0) fail("gaps where nothing was discarded", { ...detail, gaps: gaps.slice(0, 10) });
  }
}

async function verifySnapshot(
  plan: Plan,
  { result, before, after }: Snapshot,
  output: string,
): Promise<void> {
  const streams = await readStreams(output, plan, false);
  for (const thread of plan.lanes.flat()) {
    const stream = streams.get(thread.slot);
    if (!stream) continue;
    const emitted = stream.numbers.length + stream.discarded;
    const detail = {
      slot: thread.slot,
      before,
      after,
      recorded: stream.numbers.length,
      stream: stream.discarded,
    };
    if (emitted > (after[thread.slot] ?? 0) + 1) fail("a snapshot of more than was emitted", detail);
    if (thread.toggled) continue;
    if (emitted < (before[thread.slot] ?? 0)) fail("a snapshot of less than was emitted", detail);
    if (
      plan.mode === "overwrite" &&
      result.dropped === 0 &&
      missing(stream, thread, plan, stream.numbers[0] ?? 0).length > 0
    )
      fail("gaps in a snapshot", detail);
  }
}

/** Fails unless a round's trace and snapshots are what they must be. @returns how many events were recorded and discarded. */
export async function verifyRound(
  output: string,
  snapshotOutput: (index: number) => string,
  plan: Plan,
  outcome: Outcome,
): Promise<{ recorded: number; discarded: number }> {
  // A program that was killed before its session was open has left nothing, or no metadata.
  const any = readdirSync(output).some((trace) => existsSync(join(output, trace, "metadata")));
  const streams = any ? await readStreams(output, plan, drops(plan.limits)) : new Map<number, Stream>();
  let recorded = 0;
  let discarded = 0;
  for (const thread of plan.lanes.flat()) {
    const stream = streams.get(thread.slot) ?? NOTHING;
    verifyThread(plan, thread, stream, outcome);
    recorded += stream.numbers.length;
    discarded += stream.discarded;
  }
  for (const [i, snapshot] of outcome.snapshots.entries())
    await verifySnapshot(plan, snapshot, snapshotOutput(i));
  return { recorded, discarded };
}
