/**
 * What files have on the disk beside their bytes. Runs in the test process.
 */
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";

import { streamFiles } from "./packets.ts";

const SECTOR_BYTES = 512; // of st_blocks
const BLOCK_BYTES = 4096;

/** Bytes that the stream files of an output have on the disk beyond the blocks that they end in. */
export function bytesAhead(output: string): number {
  return streamPaths(output)
    .map((path) => statSync(path))
    .map(({ blocks, size }) => blocks * SECTOR_BYTES - blockBytes(size))
    .reduce((sum, ahead) => sum + Math.max(ahead, 0), 0);
}

/** Bytes of the blocks that a file of a size needs. */
export function blockBytes(size: number): number {
  return Math.ceil(size / BLOCK_BYTES) * BLOCK_BYTES;
}

/** The stream files of all traces in an output. */
export function streamPaths(output: string): string[] {
  return readdirSync(output).flatMap((trace) =>
    streamFiles(join(output, trace)).map((name) => join(output, trace, name)),
  );
}
