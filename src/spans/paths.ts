// Where in the tree of span names a span is: `http:request` > `sqlite:query`. Each path is one object, so that sums by
// path are kept in arrays. Called by pairing.ts.

/** Levels that paths tell apart. Work that goes on from span to span, as timers do, would get deeper without end. */
const MAX_LEVELS = 64;

/** Paths that are told apart; spans on more are put at the top. */
const MAX_PATHS = 65_536;

/** The names of a span and those around it. */
export interface SpanPath {
  /** Number among all paths, from 0. */
  readonly index: number;
  readonly name: string;
  /** The path of the span around; nothing at the top. */
  readonly parent: SpanPath | undefined;
  /** 0 at the top. */
  readonly level: number;
}

/** All paths met so far. */
export class SpanPaths {
  /** By their index. */
  readonly all: SpanPath[] = [];
  readonly #top = new Map<string, SpanPath>();
  readonly #under: Map<string, SpanPath>[] = [];

  /** The path of a span of this name inside one of that path. */
  under(parent: SpanPath | undefined, name: string): SpanPath {
    // At the lowest level, what is inside stands beside.
    const above = parent !== undefined && parent.level + 1 >= MAX_LEVELS ? parent.parent : parent;
    const siblings = (above === undefined ? undefined : this.#under[above.index]) ?? this.#top;
    const known = siblings.get(name);
    if (known !== undefined) return known;
    if (above !== undefined && this.all.length >= MAX_PATHS) return this.under(undefined, name);
    const path: SpanPath = {
      index: this.all.length,
      name,
      parent: above,
      level: above === undefined ? 0 : above.level + 1,
    };
    this.all.push(path);
    this.#under.push(new Map());
    siblings.set(name, path);
    return path;
  }
}
