// speedscope's own format: flame graphs of the spans. Called by commands/export.ts.
//
// Source: speedscope's file-format-schema.json (https://www.speedscope.app/file-format-schema.json), evented profiles.
import { categoryOf } from "./fields.ts";
import { Counts } from "./counts.ts";
import { type Lane, Lanes } from "./lanes.ts";
import type { ExportSource, Outcome, SpanWriter } from "./source.ts";
import { Spool } from "./spool.ts";
import type { Span, SpanCursor, Thread } from "../spans/index.ts";
import { Who } from "./who.ts";

/**
 * Writes one profile for each lane of each thread: within a profile, spans nest, as speedscope wants it. The first lane
 * of a thread is named as the thread; the others, which hold the work that ran beside that, have numbers. Times are
 * nanoseconds after the trace's begin, exact.
 *
 * A span that outlives the one around it is cut at that one's end, and goes on in another lane: the sums of times stay
 * right. Spans without an end go on to the trace's end, and their profile's name counts them. Events that are no spans have
 * no place in a flame graph and are left out. Since begins are written as they come, --where sees the fields of begins only.
 *
 * The file has one profile after the other, and the trace all threads at once: what is written of each lane goes to a
 * file without a name first.
 */
export function exportSpeedscope(source: ExportSource): Outcome {
  using spool = new Spool();
  return source.spans(new SpeedscopeWriter(source, spool));
}

/** What is known of a lane's profile, apart from its events, which are in the spool. */
interface Profile {
  readonly lane: Lane;
  readonly number: number;
  events: number;
  unfinished: number;
}

class SpeedscopeWriter implements SpanWriter {
  readonly #source: ExportSource;
  readonly #spool: Spool;
  readonly #lanes = new Lanes(false);
  readonly #who = new Who();
  /** Spans that were begun in the file. */
  readonly #open = new Set<Span>();
  readonly #profiles = new Map<Lane, Profile>();
  /** Numbers of frames, by names. */
  readonly #frames = new Map<string, number>();
  readonly #counts = new Counts();
  #other = 0;
  #last = 0;

  constructor(source: ExportSource, spool: Spool) {
    this.#source = source;
    this.#spool = spool;
  }

  take(cursor: SpanCursor): void {
    const { kind, time } = cursor;
    if (kind === "losses") return;
    if (time > this.#last) this.#last = time;
    if (kind === "begin") {
      if (!this.#source.wants(cursor.span)) return;
      this.#open.add(cursor.span);
      this.#put(this.#lanes.begin(cursor.span), "O", cursor.span, time);
    } else if (kind === "end" || kind === "end_lost") {
      if (this.#open.delete(cursor.span)) this.#close(cursor.span, time);
    } else if (kind === "running") {
      if (this.#open.has(cursor.span)) this.#unfinished(cursor.span);
    } else this.#other += 1;
  }

  end(untimed: number): Outcome {
    const { out } = this.#source;
    out.write(
      '{"$schema":"https://www.speedscope.app/file-format-schema.json","exporter":"buntrace","profiles":[',
    );
    const profiles = [...this.#profiles.values()].filter(({ events }) => events > 0);
    for (const [at, profile] of profiles.entries()) {
      const { number, lane, unfinished } = profile;
      const name = this.#profileName(lane, unfinished);
      const head = { type: "evented", name, unit: "nanoseconds", startValue: 0, endValue: this.#last };
      out.write(`${at === 0 ? "\n" : ",\n"}${JSON.stringify(head).slice(0, -1)},"events":[`);
      this.#spool.copy(number, out);
      out.write("]}");
    }
    const frames = [...this.#frames.keys()].map((name) => ({ name, file: categoryOf(name) }));
    out.write(`\n],"shared":${JSON.stringify({ frames })}}\n`);
    return this.#counts.outcome(untimed, { "event without a duration": this.#other });
  }

  #close(span: Span, time: number): void {
    this.#counts.spans += 1;
    const lane = this.#lanes.of(span);
    const moves = this.#lanes.end(span, time);
    // What ran inside and has not ended is cut here, from the innermost on.
    for (const { span: cut } of moves.toReversed()) this.#put(lane, "C", cut, time);
    this.#put(lane, "C", span, time);
    for (const { span: cut, to } of moves) this.#put(to, "O", cut, time);
  }

  /** Comes for the outermost first; their ends are written from the innermost on. */
  #unfinished(span: Span): void {
    this.#counts.unfinished += 1;
    const profile = this.#profileOf(this.#lanes.of(span));
    profile.unfinished += 1;
    if (profile.unfinished > 1) return;
    for (const open of this.#lanes.running(profile.lane).toReversed())
      this.#put(profile.lane, "C", open, this.#last);
  }

  #put(lane: Lane, type: "O" | "C", span: Span, at: number): void {
    const profile = this.#profileOf(lane);
    const frame = this.#frameOf(span.name);
    this.#spool.write(
      profile.number,
      `${profile.events === 0 ? "" : ","}{"type":"${type}","frame":${frame},"at":${at}}`,
    );
    profile.events += 1;
  }

  #profileOf(lane: Lane): Profile {
    let profile = this.#profiles.get(lane);
    if (profile === undefined) {
      profile = { lane, number: this.#profiles.size, events: 0, unfinished: 0 };
      this.#profiles.set(lane, profile);
    }
    return profile;
  }

  #frameOf(name: string): number {
    let frame = this.#frames.get(name);
    if (frame === undefined) this.#frames.set(name, (frame = this.#frames.size));
    return frame;
  }

  #profileName({ thread, index }: Lane, unfinished: number): string {
    const lane = index === 0 ? "" : ` (${index + 1})`;
    const open = unfinished === 0 ? "" : `, ${unfinished} unfinished`;
    return `${this.#threadName(thread)}${lane}${open}`;
  }

  #threadName(thread: Thread): string {
    const { name } = this.#who.thread(thread);
    return this.#source.set.traces.length === 1
      ? name
      : `${this.#who.process(thread.trace, thread.pid).name} ${name}`;
  }
}
