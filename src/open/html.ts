/**
 * The page of `buntrace open`: one HTML document with its program, its style and the trace's data in it.
 * Nothing of the trace is in the markup: it is all in the data, which is base64 of gzip.
 */
import { createHash } from "node:crypto";

import { pageParts } from "../bundle.ts";
import { DATA_ID } from "./format.ts";

/** The whole page, in parts. */
export async function pageOf(data: readonly Uint8Array[]): Promise<Blob> {
  const { markup, style, script } = await pageParts();
  const hash = (text: string): string => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
  const policy = [
    "default-src 'none'",
    `script-src ${hash(script)}`,
    `style-src ${hash(style)}`,
    "img-src data:",
    "base-uri 'none'",
    "form-action 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join("; ");
  const packed = Bun.gzipSync(Buffer.concat(data), { library: "libdeflate" });
  const base64 = Buffer.from(packed.buffer, packed.byteOffset, packed.length).toString("base64");
  const parts: Readonly<Record<string, string>> = {
    "<!-- CSP -->": policy,
    "<!-- STYLE -->": `<style>${style}</style>`,
    "<!-- DATA -->": `<script id="${DATA_ID}" type="application/octet-stream">${base64}</script>`,
    "<!-- SCRIPT -->": `<script type="module">${script}</script>`,
  };
  const pieces = markup.split(/(<!-- [A-Z]+ -->)/).map((piece) => parts[piece] ?? piece);
  return new Blob(pieces, { type: "text/html; charset=utf-8" });
}
