/**
 * Reads the packets of stream files byte by byte: what babeltrace2 checks but
 * does not show. Knows struct bt_packet of shim/packet.h and nothing of src/ctf.
 * Runs in the test process.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Bytes before the records of a packet. */
export const PACKET_HEADER_BYTES = 120;

/** What a packet says of itself; times in units of the trace's clock. */
export interface Packet {
  readonly uuid: string;
  readonly instance: bigint;
  readonly begin: bigint;
  readonly end: bigint;
  readonly contentBytes: number;
  readonly packetBytes: number;
  readonly sequence: number;
  readonly discarded: number;
  readonly eventCount: number;
  readonly tid: number;
  readonly threadName: string;
}

/** Names of a trace's stream files. */
export function streamFiles(traceDir: string): string[] {
  return readdirSync(traceDir)
    .filter((name) => name !== "metadata")
    .sort();
}

/** The one trace below an output. @throws Error when there are none or more. */
export function onlyTrace(output: string): string {
  const [first, ...more] = readdirSync(output);
  if (first === undefined || more.length > 0) throw new Error(`not one trace in ${output}`);
  return join(output, first);
}

/** The packets of a stream file. @throws Error where the file is no row of whole packets. */
export function readPackets(path: string): Packet[] {
  const bytes = readFileSync(path);
  const packets: Packet[] = [];
  for (let at = 0; at < bytes.length;) {
    const packet = readPacket(bytes, at);
    if (packet.packetBytes > bytes.length - at) throw new Error(`a packet beyond the end of ${path}`);
    packets.push(packet);
    at += packet.packetBytes;
  }
  return packets;
}

function readPacket(bytes: Buffer, at: number): Packet {
  if (bytes.length - at < PACKET_HEADER_BYTES) throw new Error(`${bytes.length - at} bytes at the end`);
  if (bytes.readUInt32LE(at) !== 0xc1fc1fc1) throw new Error(`no packet at ${at}`);
  const name = bytes.subarray(at + 88, at + 120);
  return {
    uuid: bytes.toString("hex", at + 4, at + 20),
    instance: bytes.readBigUInt64LE(at + 24),
    begin: bytes.readBigUInt64LE(at + 32),
    end: bytes.readBigUInt64LE(at + 40),
    contentBytes: Number(bytes.readBigUInt64LE(at + 48)) / 8,
    packetBytes: Number(bytes.readBigUInt64LE(at + 56)) / 8,
    sequence: Number(bytes.readBigUInt64LE(at + 64)),
    discarded: Number(bytes.readBigUInt64LE(at + 72)),
    eventCount: bytes.readUInt32LE(at + 80),
    tid: bytes.readUInt32LE(at + 84),
    threadName: name.toString("utf8", 0, name.indexOf(0)),
  };
}
