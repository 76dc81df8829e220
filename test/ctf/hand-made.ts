/**
 * Writes small traces by hand: metadata as given, packets of one layout. Runs in the
 * test process.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { BitWriter } from "./bits.ts";

/** The UUID of hand-made traces. */
export const UUID = "00112233-4455-4677-8899-aabbccddeeff";

/** Writes files into a directory. */
export function writeTrace(directory: string, files: Readonly<Record<string, string | Uint8Array>>): string {
  mkdirSync(directory, { recursive: true });
  for (const [name, content] of Object.entries(files)) writeFileSync(join(directory, name), content);
  return directory;
}

/** The head of a metadata text whose packets {@link packet} writes. */
export const HEAD = `/* CTF 1.8 */
typealias integer { size = 8; align = 8; signed = false; } := u8;
typealias integer { size = 16; align = 8; signed = false; } := u16;
typealias integer { size = 32; align = 8; signed = false; } := u32;
typealias integer { size = 64; align = 8; signed = false; } := u64;
trace {
  major = 1; minor = 8; byte_order = le; uuid = "${UUID}";
  packet.header := struct { u32 magic; u8 uuid[16]; u32 stream_id; u64 stream_instance_id; };
};
clock { name = "clk"; freq = 1000000000; offset_s = 1700000000; offset = 5; };
typealias integer { size = 64; align = 8; signed = false; map = clock.clk.value; } := time;
`;

/** A stream class whose packets and events {@link packet} writes. */
export function streamBlock(id = 0, more = ""): string {
  return `stream {
  id = ${id};
  packet.context := struct {
    time timestamp_begin; time timestamp_end; u64 content_size; u64 packet_size; u64 packet_seq_num;
    u64 events_discarded; u32 cpu_id;
  };
  event.header := struct { u32 id; time timestamp; };
  ${more}
};
`;
}

/** What a packet says of itself; the rest is counted. */
export interface PacketOptions {
  readonly streamId?: number;
  readonly instance?: bigint;
  readonly begin?: bigint;
  readonly end?: bigint;
  readonly sequence?: bigint;
  readonly discarded?: bigint;
  readonly cpu?: number;
  /** Bytes of the packet context after `cpu_id`. */
  readonly context?: Uint8Array;
  /** Bytes of zeros after the content. */
  readonly padding?: number;
}

/** An event: its id, its time, and what writes its body. */
export interface PacketEvent {
  readonly id?: number;
  readonly time: bigint;
  readonly body?: (bits: BitWriter) => void;
}

/** The bytes of a packet of {@link HEAD} and {@link streamBlock}. */
export function packet(events: readonly PacketEvent[], options: PacketOptions = {}): Uint8Array {
  const bits = new BitWriter();
  const put = (value: bigint, size: number): void => bits.integer(value, size, true);
  put(0xc1fc1fc1n, 32);
  bits.bytes(Uint8Array.from(UUID.replaceAll("-", "").match(/../g) ?? [], (hex) => Number.parseInt(hex, 16)));
  put(BigInt(options.streamId ?? 0), 32);
  put(options.instance ?? 0n, 64);
  const context = bits.length;
  put(options.begin ?? events[0]?.time ?? 0n, 64);
  put(options.end ?? events.at(-1)?.time ?? 0n, 64);
  put(0n, 64);
  put(0n, 64);
  put(options.sequence ?? 0n, 64);
  put(options.discarded ?? 0n, 64);
  put(BigInt(options.cpu ?? 0), 32);
  bits.bytes(options.context ?? new Uint8Array(0));
  for (const { id = 0, time, body } of events) {
    put(BigInt(id), 32);
    put(time, 64);
    body?.(bits);
  }
  const content = bits.length;
  bits.align(8);
  for (let count = options.padding ?? 0; count > 0; count -= 1) put(0n, 8);
  bits.patch(context + 128, BigInt(content));
  bits.patch(context + 192, BigInt(bits.length));
  return bits.toBytes();
}

/** Metadata text as LTTng stores it: in packets, with a header each. */
export function packetized(text: string, littleEndian: boolean, packetSize = 512): Uint8Array {
  const bytes = new TextEncoder().encode(text);
  const header = 37;
  const packets: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += packetSize - header) {
    const part = bytes.subarray(at, at + packetSize - header);
    const whole = new Uint8Array(packetSize);
    const view = new DataView(whole.buffer);
    view.setUint32(0, 0x75d11d57, littleEndian);
    whole.set(
      Uint8Array.from(UUID.replaceAll("-", "").match(/../g) ?? [], (hex) => Number.parseInt(hex, 16)),
      4,
    );
    view.setUint32(24, (header + part.length) * 8, littleEndian);
    view.setUint32(28, packetSize * 8, littleEndian);
    whole.set([0, 0, 0, 1, 8], 32);
    whole.set(part, header);
    packets.push(whole);
  }
  return Buffer.concat(packets);
}
