/**
 * Random forests of spans, synchronous and not, over several threads, and the traces
 * that hold them: packets as the recorder writes them, with events left out and
 * counted as discarded when a test wants that. Runs in the test process.
 */
import type { Random } from "../support/random.ts";
import { HEAD, packet, type PacketEvent, writeTrace } from "../ctf/hand-made.ts";
import type { Told } from "./oracle.ts";

/** How a forest grows. */
export interface ForestOptions {
  readonly streams: number;
  /** Of each stream. */
  readonly events: number;
  /** Of a hundred begins and ends, how many are discarded. */
  readonly lostPercent?: number;
}

const NAMES = ["http:request", "sql:query", "fs:read", "cache:lookup", "queue:job"] as const;

/** Events of a random forest, in the order of their times; those that are discarded are left out. */
export function randomForest(random: Random, options: ForestOptions): { kept: Told[]; discarded: Told[] } {
  const all: Told[] = [];
  for (let stream = 0; stream < options.streams; stream += 1)
    all.push(...thread(random, stream, options.events));
  all.sort((one, other) => one.time - other.time);
  const lost = all.map(({ kind }) => kind !== "other" && random.below(100) < (options.lostPercent ?? 0));
  return {
    kept: all.filter((_told, at) => lost[at] !== true),
    discarded: all.filter((_told, at) => lost[at]),
  };
}

function thread(random: Random, stream: number, count: number): Told[] {
  const told: Told[] = [];
  const open: Told[] = [];
  const ended: Told[] = [];
  let time = 1_000_000 + random.below(1000);
  let id = random.below(3) === 0 ? 0xffff_fff0 : 0;
  for (let left = count; left > 0; left -= 1) {
    // Some at the same time.
    time += random.below(5) === 0 ? 0 : random.below(2000);
    const dice = random.below(10);
    if (dice === 0) told.push({ stream, time, kind: "other", name: "app:note" });
    else if (dice < 5 || open.length === 0) {
      id = (id + 1) >>> 0 || 1;
      // Inside one that runs, mostly the last one; at the top; or after one that has ended.
      const parent =
        random.below(4) > 0
          ? open[random.below(2) === 0 ? open.length - 1 : random.below(open.length)]
          : random.below(3) === 0
            ? ended.at(-1 - random.below(20))
            : undefined;
      const begin: Told = {
        stream,
        time,
        kind: "begin",
        name: random.pick(NAMES),
        id,
        parent: parent?.id ?? 0,
        own: random.below(1000),
      };
      open.push(begin);
      told.push(begin);
    } else {
      const at = random.below(3) === 0 ? random.below(open.length) : open.length - 1;
      const [begin] = open.splice(at, 1);
      if (begin === undefined) continue;
      ended.push(begin);
      told.push({
        stream,
        time,
        kind: "end",
        name: begin.name,
        id: begin.id ?? 0,
        failed: random.below(8) === 0,
        own: random.below(1000),
      });
    }
  }
  return told;
}

const BLOCKS = NAMES.flatMap((name, index) => [
  `event { name = "${name}_begin"; id = ${index * 2}; stream_id = 0; model.emf.uri = "buntrace:span_begin";
    fields := struct { u32 _span_id; u32 _parent_id; string _text; u32 _own; } align(8); };`,
  `event { name = "${name}_end"; id = ${index * 2 + 1}; stream_id = 0; model.emf.uri = "buntrace:span_end";
    fields := struct { u32 _span_id; enum : u8 { false = 0, true = 1 } _failed; u32 _own; } align(8); };`,
]);

const METADATA = `${HEAD}
env { domain = "ust"; tracer_name = "buntrace"; pid = 4711; };
stream {
  id = 0;
  packet.context := struct {
    time timestamp_begin; time timestamp_end; u64 content_size; u64 packet_size; u64 packet_seq_num;
    u64 events_discarded; u32 tid;
  };
  event.header := struct { u32 id; time timestamp; };
};
${BLOCKS.join("\n")}
event { name = "app:note"; id = ${NAMES.length * 2}; stream_id = 0; fields := struct { u32 _n; } align(8); };
`;

/** Writes a trace of these events: thread 100 and so on, packets of some events each. */
export function writeForest(
  directory: string,
  random: Random,
  { kept, discarded }: { kept: readonly Told[]; discarded: readonly Told[] },
): string {
  const files: Record<string, string | Uint8Array> = { metadata: METADATA };
  for (const stream of new Set(kept.map((told) => told.stream))) {
    const events = kept.filter((told) => told.stream === stream);
    const lost = discarded.filter((told) => told.stream === stream);
    const packets: Uint8Array[] = [];
    for (let at = 0; at < events.length;) {
      const part = events.slice(at, (at += 1 + random.below(60)));
      const end = at < events.length ? (part.at(-1)?.time ?? 0) : Number.MAX_SAFE_INTEGER;
      packets.push(
        packet(part.map(eventOf), {
          instance: BigInt(stream),
          cpu: 100 + stream,
          sequence: BigInt(packets.length),
          discarded: BigInt(lost.filter(({ time }) => time <= end).length),
        }),
      );
    }
    files[`thread-${100 + stream}`] = Buffer.concat(packets);
  }
  return writeTrace(directory, files);
}

function eventOf(told: Told): PacketEvent {
  const name = NAMES.findIndex((one) => one === told.name);
  const time = BigInt(told.time);
  if (told.kind === "other")
    return { id: NAMES.length * 2, time, body: (bits) => bits.integer(7n, 32, true) };
  return {
    id: name * 2 + (told.kind === "end" ? 1 : 0),
    time,
    body: (bits) => {
      const put = (value: number | undefined, size: number): void =>
        bits.integer(BigInt(value ?? 0), size, true);
      put(told.id, 32);
      if (told.kind === "begin") {
        put(told.parent, 32);
        bits.bytes(Buffer.from(`${told.name}\0`));
      } else put(told.failed === true ? 1 : 0, 8);
      put(told.own, 32);
    },
  };
}
