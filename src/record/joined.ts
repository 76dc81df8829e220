/**
 * What a program asked for of a session that was open already, and does not get. Called
 * in the traced process by `openSession` when it joins; loaded only then.
 */
import { dirname, resolve } from "node:path";

import { CLOCKS, readHeader, SESSION_OFFSETS, WHEN_FULL } from "./session-file.ts";
import type { SessionOptions } from "./settings.ts";

/** The session that is open. */
export interface Joined {
  readonly header: Buffer;
  readonly toDisk: boolean;
  /** Of the session file. */
  readonly path: string;
  /** Whether errors of this thread are followed by snapshots. */
  readonly takesSnapshots: boolean;
}

/**
 * The options that were given and are otherwise in the open session.
 * @returns each as `mode "discard" instead of "block"`.
 */
export function differences(asked: SessionOptions, joined: Joined): string[] {
  const own = optionsOf(joined);
  const { output, sessionDir, enable } = asked;
  const wanted: SessionOptions = {
    ...asked,
    ...(output === undefined || output === "null" ? {} : { output: resolve(output) }),
    ...(sessionDir === undefined ? {} : { sessionDir: resolve(sessionDir) }),
    ...(enable === undefined ? {} : { enable: enable.length === 0 ? ["*"] : enable }),
  };
  const found: string[] = [];
  for (const [name, is] of Object.entries(own) as [keyof SessionOptions, unknown][]) {
    if (wanted[name] === undefined || JSON.stringify(wanted[name]) === JSON.stringify(is)) continue;
    const text = is === undefined ? `no ${name}` : `${name} ${JSON.stringify(is)}`;
    found.push(`${text} instead of ${JSON.stringify(asked[name])}`);
  }
  if (asked.snapshotOnError !== undefined && !joined.takesSnapshots)
    found.push(`no snapshotOnError instead of ${JSON.stringify(asked.snapshotOnError)}`);
  return found;
}

/** The options of a session as its header has them. */
function optionsOf({ header, toDisk, path }: Joined): Partial<Record<keyof SessionOptions, unknown>> {
  const at = SESSION_OFFSETS;
  const { traceDir, mode, enable } = readHeader(header);
  const u64 = (offset: number): number => Number(header.readBigUInt64LE(offset));
  const limit = (value: number): number | undefined => (value === 0 ? undefined : value);
  const maxSize = limit(u64(at.max_size));
  return {
    output: toDisk ? dirname(traceDir) : "null",
    mode,
    enable: enable.length === 0 ? ["*"] : enable,
    subBufferSize: u64(at.sub_buffer_size),
    subBuffers: header.readUInt32LE(at.sub_buffers),
    flushPeriod: u64(at.flush_period_ns) / 1e6,
    blockTimeout: u64(at.block_timeout_ns) / 1e6,
    clock: CLOCKS[header.readUInt32LE(at.clock)],
    sessionDir: dirname(path),
    maxSize,
    whenFull: maxSize === undefined ? undefined : WHEN_FULL[header.readUInt32LE(at.when_full)],
    rotateSize: limit(u64(at.rotate_size)),
    rotatePeriod: limit(u64(at.rotate_period_ns) / 1e6),
    maxChunks: limit(header.readUInt32LE(at.max_chunks)),
  };
}
