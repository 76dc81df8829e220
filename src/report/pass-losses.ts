// What a pass over traces found missing, as lines of text and as JSON. Called by the commands that report.
import type { PassLosses } from "./pass.ts";
import type { Palette } from "./style.ts";
import { many } from "./number-text.ts";

/** Lines on what is missing; none when nothing is. */
export function lossLines(losses: PassLosses, { warning }: Palette): string[] {
  const { events, packets, uncounted, begins, ends, untied } = losses;
  const lost = [
    ...(events > 0n ? [`${many(events, "event")} discarded`] : []),
    ...(packets > 0n
      ? [`${many(packets, "packet")}, ${packets === 1n ? "its" : "their"} events not counted`]
      : []),
    ...(uncounted ? ["events before the begin of the trace"] : []),
  ];
  const spans = [
    ...(begins > 0 ? [`${many(begins, "end")} without a begin`] : []),
    ...(ends > 0 ? [`${many(ends, "begin")} without an end`] : []),
  ];
  const lines = [
    ...(lost.length > 0 ? [`lost: ${lost.join(", ")}`] : []),
    ...(spans.length > 0 ? [`not counted as spans: ${spans.join(", ")}`] : []),
    ...(untied > 0
      ? [
          `not paired: ${many(untied, "begin or end", "begins and ends")} that do not tell their thread; record them with the context vtid`,
        ]
      : []),
  ];
  return lines.map((line) => `${warning.open}${line}${warning.close}`);
}

/** The same for JSON. */
export function lossesJson({
  events,
  packets,
  uncounted,
  begins,
  ends,
  untied,
}: PassLosses): Readonly<Record<string, unknown>> {
  return {
    discarded_events: events,
    lost_packets: packets,
    uncounted_losses: uncounted,
    ends_without_begin: begins,
    begins_without_end: ends,
    unpaired: untied,
  };
}
