/**
 * Bundles src/preload.ts into one file with bytecode, dist/preload/preload.js: every
 * traced program loads it before its first line, and thirty source files take
 * twice as long. Run by `bun run build`; `buntrace record` uses the bundle
 * where it is there and not older than its sources.
 */
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";

const SRC = import.meta.dirname;
const OUT = join(SRC, "../dist/preload");
const BUNDLE = join(OUT, "preload.js");

/** What the preload is made of. */
const SOURCES = ["preload.ts", "record", "instrument", "ctf/fields.ts", "ctf/metadata-writer.ts"];

/** What programs preload: the bundle, or the source where there is no fresh bundle. */
export function preloadPath(): string {
  return isFresh() ? BUNDLE : join(SRC, "preload.ts");
}

function isFresh(): boolean {
  if (!existsSync(BUNDLE)) return false;
  const built = statSync(BUNDLE).mtimeMs;
  return SOURCES.flatMap((name) => {
    const path = join(SRC, name);
    return statSync(path).isDirectory() ? readdirSync(path).map((file) => join(path, file)) : [path];
  }).every((file) => statSync(file).mtimeMs <= built);
}

/** Makes the bundle. @throws Error when a source does not build. */
export async function bundlePreload(): Promise<void> {
  await Bun.build({
    entrypoints: [join(SRC, "preload.ts")],
    outdir: OUT,
    target: "bun",
    format: "cjs",
    bytecode: true,
    minify: true,
    plugins: [
      {
        name: "later",
        setup(build) {
          // Required by few programs, and node:fs with it: left where it is, by a
          // path that holds from dist/preload.
          build.onResolve({ filter: /^\.\/(output|snapshot)\.ts$/ }, ({ path }) => ({
            path: `../../src/record/${path}`,
            external: true,
          }));
        },
      },
    ],
  });
}

if (import.meta.main && !(process.argv.includes("--stale") && isFresh())) {
  console.error("bundling dist/preload ...");
  await bundlePreload();
}
