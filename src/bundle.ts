/**
 * Bundles src/preload.ts into one file with bytecode, dist/preload/preload.js: every
 * traced program loads it before its first line, and thirty source files take
 * twice as long. And page/, what `buntrace open` puts into its page, into
 * dist/page.json. Run by `bun run build`; the commands use the bundles where they
 * are there and not older than their sources.
 */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";

const SRC = import.meta.dirname;
const OUT = join(SRC, "../dist/preload");
const BUNDLE = join(OUT, "preload.js");

/** The page's program runs in browsers: its sources are no part of the package. */
const PAGE = join(SRC, "../page");
const PAGE_BUNDLE = join(SRC, "../dist/page.json");

/** What the preload is made of. */
const SOURCES = ["preload.ts", "record", "instrument", "ctf/fields.ts", "ctf/metadata-writer.ts"];

/** What programs preload: the bundle, or the source where there is no fresh bundle. */
export function preloadPath(): string {
  return isFresh() ? BUNDLE : join(SRC, "preload.ts");
}

/** The parts of the page that are the same for every trace. */
export interface PageParts {
  readonly markup: string;
  readonly style: string;
  readonly script: string;
}

/** The parts of the page; in a checkout, bundled anew when sources have changed. */
export async function pageParts(): Promise<PageParts> {
  if (existsSync(PAGE) && !isPageFresh()) await bundlePage();
  return JSON.parse(readFileSync(PAGE_BUNDLE, "utf8")) as PageParts;
}

function isFresh(): boolean {
  return isNewer(
    BUNDLE,
    SOURCES.map((name) => join(SRC, name)),
  );
}

function isPageFresh(): boolean {
  const shared = ["open/format.ts", "report/histogram.ts", "report/number-text.ts"];
  return isNewer(PAGE_BUNDLE, [PAGE, ...shared.map((name) => join(SRC, name))]);
}

/** Whether a bundle is there and not older than its sources: files, or directories of files. */
function isNewer(bundle: string, sources: readonly string[]): boolean {
  if (!existsSync(bundle)) return false;
  const built = statSync(bundle).mtimeMs;
  return sources
    .flatMap((path) =>
      statSync(path).isDirectory() ? readdirSync(path).map((file) => join(path, file)) : [path],
    )
    .every((file) => statSync(file).mtimeMs <= built);
}

/** Bundles the page. @throws Error when a source does not build. */
export async function bundlePage(): Promise<void> {
  const { outputs } = await Bun.build({
    entrypoints: [join(PAGE, "main.ts")],
    target: "browser",
    format: "esm",
    minify: true,
  });
  const parts: PageParts = {
    markup: readFileSync(join(PAGE, "index.html"), "utf8"),
    style: readFileSync(join(PAGE, "style.css"), "utf8"),
    script: (await outputs[0]?.text()) ?? "",
  };
  mkdirSync(join(PAGE_BUNDLE, ".."), { recursive: true });
  // Whole at once, for others who read it now.
  const unfinished = `${PAGE_BUNDLE}.${process.pid}`;
  writeFileSync(unfinished, JSON.stringify(parts));
  renameSync(unfinished, PAGE_BUNDLE);
}

/**
 * Makes the bundle.
 * @param minify false: to be read, by a test.
 * @throws Error when a source does not build.
 */
export async function bundlePreload(outdir: string = OUT, minify = true): Promise<void> {
  await Bun.build({
    entrypoints: [join(SRC, "preload.ts")],
    outdir,
    target: "bun",
    format: "cjs",
    bytecode: true,
    minify,
    // Where the bundle lies when it runs, not where its sources lay when it was made:
    // the package is made on one machine and used on another.
    define: { "import.meta.dirname": "module.path", "import.meta.path": "module.filename" },
    plugins: [
      {
        name: "later",
        setup(build) {
          // Required by few programs, and node:fs with it: left where it is, by a
          // path that holds from dist/preload.
          build.onResolve({ filter: /^\.\/(joined|output|snapshot)\.ts$/ }, ({ path }) => ({
            path: `../../src/record/${path}`,
            external: true,
          }));
        },
      },
    ],
  });
}

if (import.meta.main) {
  const onlyStale = process.argv.includes("--stale");
  if (!(onlyStale && isFresh())) {
    console.error("bundling dist/preload ...");
    await bundlePreload();
  }
  if (!(onlyStale && isPageFresh())) {
    console.error("bundling dist/page.json ...");
    await bundlePage();
  }
}
