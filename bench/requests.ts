/**
 * Traces of requests whose spans overlap, as the recorder's consumer writes them: for
 * the benches of what reads spans, and for tests that count memory.
 */
import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";

import { eventBlock, metadataHead } from "../src/ctf/metadata-writer.ts";

/** Threads of a trace. */
export const STREAMS = 4;
/** Requests of a thread that are open at a time. */
const OPEN = 8;
const PACKET_BYTES = 128 * 1024;
const UUID = Buffer.from("00000000000040008000000000000001", "hex");

const TYPES = [
  eventBlock("http_server:request_begin", 6, "span_begin", [
    ["span_id", "u32"],
    ["parent_id", "u32"],
    ["method", "string"],
    ["path", "string"],
  ]),
  eventBlock("http_server:request_end", 6, "span_end", [
    ["span_id", "u32"],
    ["failed", "bool"],
    ["status", "u16"],
  ]),
  eventBlock("sqlite:query_begin", 6, "span_begin", [
    ["span_id", "u32"],
    ["parent_id", "u32"],
    ["sql", "string"],
  ]),
  eventBlock("sqlite:query_end", 6, "span_end", [
    ["span_id", "u32"],
    ["failed", "bool"],
    ["rows", "u32"],
  ]),
  eventBlock("shop:received", 6, "event", [["request", "u32"]]),
  eventBlock("shop:in_progress", 6, "counter", [["value", "u32"]]),
];

/** A thread's events, written as the recorder's consumer does: records of 4 bytes' header, packets with 120. */
class ThreadFile {
  readonly #file: number;
  readonly #bytes = Buffer.alloc(PACKET_BYTES);
  readonly #stream: number;
  readonly #most: number;
  #at = 0;
  #packets = 0;
  #cycles: number;
  written = 0;

  constructor(directory: string, stream: number, most: number) {
    this.#file = openSync(join(directory, `thread-${1000 + stream}`), "w");
    this.#stream = stream;
    this.#most = most;
    this.#cycles = 5_000_000_000 + stream * 137;
  }

  get full(): boolean {
    return this.written >= this.#most;
  }

  event(id: number, numbers: readonly number[], bytes: number, text?: Buffer): void {
    if (this.full) return;
    if (this.#at === 0) this.#head();
    this.#cycles += 400 + (Math.imul(this.written, 0x9e3779b1) >>> 22);
    this.#at = this.#bytes.writeUInt32LE((id | ((this.#cycles % 134_217_728) << 5)) >>> 0, this.#at);
    for (const [index, number] of numbers.entries())
      this.#at = this.#bytes.writeUIntLE(number, this.#at, index === numbers.length - 1 ? bytes : 4);
    if (text !== undefined) this.#at += text.copy(this.#bytes, this.#at);
    this.written += 1;
    if (this.#at + 256 > PACKET_BYTES || this.full) this.#write();
  }

  close(): void {
    closeSync(this.#file);
  }

  #head(): void {
    const bytes = this.#bytes;
    bytes.fill(0, 0, 120);
    bytes.writeUInt32LE(0xc1fc1fc1, 0);
    UUID.copy(bytes, 4);
    bytes.writeBigUInt64LE(BigInt(this.#stream), 24);
    bytes.writeBigUInt64LE(BigInt(this.#cycles), 32);
    bytes.writeBigUInt64LE(BigInt(this.#packets), 64);
    bytes.writeUInt32LE(1000 + this.#stream, 84);
    bytes.write(`thread-${this.#stream}`, 88);
    this.#at = 120;
  }

  #write(): void {
    this.#bytes.writeBigUInt64LE(BigInt(this.#cycles), 40);
    this.#bytes.writeBigUInt64LE(BigInt(this.#at * 8), 48);
    this.#bytes.writeBigUInt64LE(BigInt(this.#at * 8), 56);
    writeSync(this.#file, this.#bytes, 0, this.#at);
    this.#at = 0;
    this.#packets += 1;
  }
}

/** Writes a trace of so many events in a new directory. */
export function writeRequests(directory: string, events: number): void {
  mkdirSync(directory);
  const head = metadataHead(UUID, { domain: "ust", tracer_name: "buntrace", pid: 1 });
  const clock = "freq = 2899999999;\n\toffset_s = 1700000000;\n\toffset = 123456789;\n};\n\nenv {\n";
  const blocks = TYPES.map(({ before, after }, id) => `${before}${id}${after}`);
  writeFileSync(join(directory, "metadata"), `${head.before}${clock}${head.after}${blocks.join("")}`);
  for (let stream = 0; stream < STREAMS; stream += 1)
    writeThread(new ThreadFile(directory, stream, events / STREAMS));
}

/** Requests with one to three queries each, of several that are open one after the other. */
function writeThread(file: ThreadFile): void {
  const paths = Array.from({ length: 64 }, (_none, at) => Buffer.from(`GET\0/api/v1/item/${at * 7919}\0`));
  const sql = Buffer.from("SELECT * FROM product WHERE id = ?1\0");
  const open = Array.from({ length: OPEN }, () => ({ request: 0, query: 0, left: 0 }));
  let id = 0;
  for (let turn = 0; !file.full; turn += 1) {
    const slot = open[turn % OPEN];
    if (slot === undefined) continue;
    if (slot.request === 0) {
      slot.request = ++id;
      slot.left = 1 + (turn % 3);
      file.event(0, [id, 0], 4, paths[turn % 64]);
      file.event(4, [id], 4);
      file.event(5, [turn % OPEN], 4);
    } else if (slot.query !== 0) {
      file.event(3, [slot.query, (turn % 7) << 8], 5);
      slot.query = 0;
    } else if (slot.left > 0) {
      slot.left -= 1;
      slot.query = ++id;
      file.event(2, [id, slot.request], 4, sql);
    } else {
      file.event(1, [slot.request, 200 << 8], 3);
      slot.request = 0;
    }
  }
  file.close();
}
