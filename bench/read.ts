/**
 * How fast is a trace read? Seconds and nanoseconds an event, whole processes, beside
 * babeltrace2 on the same trace in the same run; and memory for a trace ten times as
 * long. `bun bench/read.ts`, or `--small` for a test.
 */
import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";

import { openTraces } from "../src/ctf/index.ts";
import { EventText } from "../src/report/event-text.ts";
import { Output } from "../src/report/output.ts";
import { cellToRun, machine, runCells, small, withTempDir } from "./support.ts";

const ROUNDS = small ? 1 : 5;
const EVENTS = small ? 20_000 : 10_000_000;
const STREAMS = 4;
const PACKET_BYTES = 128 * 1024;
const NONE = { open: "", close: "" };
const PLAIN = { time: NONE, eventName: NONE, fieldName: NONE, value: NONE, unknown: NONE, warning: NONE };

const UUID = "00000000-0000-4000-8000-000000000001";
const METADATA = `/* CTF 1.8 */
typealias integer { size = 8; align = 8; signed = false; } := u8;
typealias integer { size = 16; align = 8; signed = false; } := u16;
typealias integer { size = 32; align = 8; signed = false; } := u32;
typealias integer { size = 64; align = 8; signed = false; } := u64;
typealias floating_point { exp_dig = 11; mant_dig = 53; align = 8; } := f64;
trace {
  major = 1; minor = 8; uuid = "${UUID}"; byte_order = le;
  packet.header := struct { u32 magic; u8 uuid[16]; u32 stream_id; u64 stream_instance_id; };
};
clock { name = "clk"; freq = 2899999999; offset_s = 1700000000; offset = 123456789; absolute = true; };
typealias integer { size = 27; align = 1; signed = false; map = clock.clk.value; } := short_time;
typealias integer { size = 64; align = 8; signed = false; map = clock.clk.value; } := long_time;
stream {
  id = 0;
  packet.context := struct {
    long_time timestamp_begin; long_time timestamp_end; u64 content_size; u64 packet_size; u64 packet_seq_num;
    u64 events_discarded; u32 tid; integer { size = 8; align = 8; encoding = UTF8; } thread_name[32];
  };
  event.header := struct {
    enum : integer { size = 5; align = 1; signed = false; } { compact = 0 ... 30, extended = 31 } id;
    variant <id> { struct { short_time timestamp; } compact; struct { u32 id; long_time timestamp; } extended; } v;
  } align(8);
};
event { name = "http:start"; id = 0; stream_id = 0; fields := struct { u32 _id; string _method; string _url; }; };
event { name = "http:end"; id = 1; stream_id = 0;
  fields := struct { u32 _id; u16 _status; enum : u8 { false, true } _cached; }; };
event { name = "db:depth"; id = 2; stream_id = 0; fields := struct { u64 _value; f64 _load; }; };
event { name = "db:rows"; id = 40; stream_id = 0; fields := struct { u32 _n; u32 _ids[_n]; }; };
`;

/** Writes a trace as the recorder's consumer does: one stream a thread, byte-packed. */
function writeTrace(directory: string, events: number): void {
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, "metadata"), METADATA);
  for (let stream = 0; stream < STREAMS; stream += 1) writeStream(directory, stream, events / STREAMS);
}

function writeStream(directory: string, stream: number, events: number): void {
  const file = openSync(join(directory, `thread-${1000 + stream}`), "w");
  const bytes = Buffer.alloc(PACKET_BYTES);
  const uuid = Buffer.from(UUID.replaceAll("-", ""), "hex");
  const urls = Array.from({ length: 64 }, (_none, at) => Buffer.from(`GET\0/api/v1/item/${at * 7919}\0`));
  let cycles = 5_000_000_000_000 + stream * 137;
  for (let written = 0, packet = 0; written < events; packet += 1) {
    bytes.fill(0, 0, 116);
    bytes.writeUInt32LE(0xc1fc1fc1, 0);
    uuid.copy(bytes, 4);
    bytes.writeBigUInt64LE(BigInt(stream), 24);
    bytes.writeBigUInt64LE(BigInt(cycles), 32);
    bytes.writeBigUInt64LE(BigInt(packet), 64);
    bytes.writeUInt32LE(1000 + stream, 80);
    bytes.write(`thread-${stream}`, 84);
    let at = 116;
    for (; written < events && at + 64 < PACKET_BYTES; written += 1) {
      cycles += 400 + (Math.imul(written, 0x9e3779b1) >>> 22);
      const kind = written % 4;
      if (kind < 3) at = bytes.writeUInt32LE((kind | ((cycles % 134_217_728) << 5)) >>> 0, at);
      else {
        bytes[at] = 31;
        bytes.writeUInt32LE(40, at + 1);
        at = bytes.writeBigUInt64LE(BigInt(cycles), at + 5);
      }
      if (kind < 2) at = bytes.writeUInt32LE(written, at);
      if (kind === 0) at += urls[written % 64]?.copy(bytes, at) ?? 0;
      else if (kind === 1) at = bytes.writeUInt8(written % 2, bytes.writeUInt16LE(200, at));
      else if (kind === 2) at = bytes.writeDoubleLE(written / 7, bytes.writeBigUInt64LE(BigInt(written), at));
      else {
        const count = written % 5;
        at = bytes.writeUInt32LE(count, at);
        for (let id = 0; id < count; id += 1) at = bytes.writeUInt32LE(written + id, at);
      }
    }
    bytes.writeBigUInt64LE(BigInt(cycles), 40);
    bytes.writeBigUInt64LE(BigInt(at * 8), 48);
    bytes.writeBigUInt64LE(BigInt(at * 8), 56);
    writeSync(file, bytes, 0, at);
  }
  closeSync(file);
}

/** Cells run in the directory of the traces. */
const trace = "trace";
const tenth = "tenth";

/** What each cell does; seconds are the process's, from its start. */
const cells: Readonly<Record<string, () => number>> = {
  "babeltrace2 -o dummy": () => babeltrace("--output-format=dummy"),
  "babeltrace2 (text)": () => babeltrace("--output-format=text"),
  "scan (batches)": () => {
    for (const set = openTraces(trace); ;) {
      for (const stream of set.streams)
        for (const { length } of set.batches(stream)) if (length < 0) return NaN;
      return seconds();
    }
  },
  "full decode (groups)": () => {
    let sum = 0;
    for (const { columns, length } of openTraces(trace).groups()) {
      for (const { numbers, ends } of columns) sum += numbers?.[length - 1] ?? ends?.[length - 1] ?? 0;
    }
    return sum === 0 ? NaN : seconds();
  },
  "records (events)": () => {
    let count = 0;
    for (const { fields } of openTraces(trace).events()) if (fields !== undefined) count += 1;
    return count === 0 ? NaN : seconds();
  },
  print: () => {
    printAll(trace);
    return seconds();
  },
  "memory of print, a tenth": () => {
    printAll(tenth);
    return process.resourceUsage().maxRSS / 1024;
  },
  "memory of print": () => {
    printAll(trace);
    return process.resourceUsage().maxRSS / 1024;
  },
};

function babeltrace(format: string): number {
  const start = performance.now();
  const { exitCode, stderr } = Bun.spawnSync(["babeltrace2", format, trace], {
    stdout: "ignore",
    stderr: "pipe",
  });
  if (exitCode !== 0) throw new Error(stderr.toString());
  return (performance.now() - start) / 1000;
}

function printAll(directory: string): void {
  const set = openTraces(directory);
  const out = new Output(openSync("/dev/null", "w"));
  const text = new EventText(set, out, { kind: "absolute", date: false, utc: true }, PLAIN);
  const runs = set.merger();
  while (runs.next()) {
    const { batch, from, to } = runs;
    text.begin(batch);
    for (let at = from; at < to; at += 1) text.write(batch, at);
  }
  out.flush();
}

function seconds(): number {
  return performance.now() / 1000;
}

const cell = cellToRun();
if (cell !== undefined) console.log(cells[cell]?.());
else {
  await withTempDir(async (directory) => {
    process.chdir(directory);
    writeTrace(join(directory, "trace"), EVENTS);
    writeTrace(join(directory, "tenth"), EVENTS / 10);
    const results = await runCells(import.meta.path, Object.keys(cells), ROUNDS);
    const middle = (name: string): number => results.of(name);
    const dummy = middle("babeltrace2 -o dummy");
    const text = middle("babeltrace2 (text)");
    console.log(`${EVENTS} events in ${STREAMS} streams, medians of ${ROUNDS}. ${machine()}\n`);
    console.log("| reading | seconds | ns an event | times faster than |\n|---|---|---|---|");
    for (const name of Object.keys(cells).filter((one) => !one.startsWith("memory"))) {
      const time = middle(name);
      const against = /print|records/.test(name)
        ? `${(text / time).toFixed(1)} x text`
        : `${(dummy / time).toFixed(1)} x dummy`;
      const ratio = name.startsWith("babeltrace2") ? "" : against;
      console.log(`| ${name} | ${time.toFixed(2)} | ${((time * 1e9) / EVENTS).toFixed(0)} | ${ratio} |`);
    }
    const [less, more] = [middle("memory of print, a tenth"), middle("memory of print")];
    console.log(
      `\nMemory of print: ${less.toFixed(0)} MB for ${EVENTS / 10} events, ${more.toFixed(0)} MB for ${EVENTS}.`,
    );
  });
}
