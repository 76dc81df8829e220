// The spans that were running when a trace ended, as text: what a program was at when it died. Called by the report command.
import type { Fields, FieldValue } from "../ctf/objects.ts";
import type { TraceSet } from "../ctf/trace.ts";
import { recallBegin } from "../spans/index.ts";
import { jsonValue } from "./json.ts";
import type { RunningSpan } from "./stats.ts";
import { countText, durationText, many } from "./number-text.ts";
import type { Palette } from "./style.ts";
import { lineText } from "./table.ts";
import { threadText } from "./thread-text.ts";

/** Spans shown; the ones begun last tell most. */
const MAX_SHOWN = 20;

/** Characters of a field's value shown. */
const MAX_VALUE = 60;

/**
 * Lines that show running spans, each under the one that it runs in.
 *
 * @param running in the order of their begins
 */
export function runningLines(
  set: TraceSet,
  running: readonly RunningSpan[],
  { eventName, warning }: Palette,
): string[] {
  if (running.length === 0) return [];
  const shown = running.slice(-MAX_SHOWN);
  const spans = new Set(shown.map(({ span }) => span));
  const inside = Map.groupBy(shown, ({ span: { parent } }) =>
    parent !== undefined && spans.has(parent) ? parent : undefined,
  );
  const unsure = running.filter(({ span }) => span.endMayBeLost).length;
  const lines = [
    `running at the end: ${many(running.length, "span")}` +
      (unsure > 0 ? `; the ends of ${countText(unsure)} may be among the lost events` : ""),
  ];
  if (shown.length < running.length) lines.push(`  the ${MAX_SHOWN} begun last:`);
  const add = ({ span, soFar }: RunningSpan, indent: string): void => {
    recallBegin(set, span);
    const parts = [
      `${eventName.open}${lineText(span.name)}${eventName.close}`,
      Number.isNaN(soFar) ? "" : `for ${durationText(soFar)}`,
      fieldsText(span.fields),
      `thread ${threadText(span.thread)}`,
      span.endMayBeLost ? `${warning.open}its end may be among the lost events${warning.close}` : "",
    ];
    lines.push(`${indent}${parts.filter((part) => part !== "").join("  ")}`);
    for (const child of inside.get(span) ?? []) add(child, `${indent}  `);
  };
  for (const span of inside.get(undefined) ?? []) add(span, "  ");
  return lines;
}

/** Fields as `{ method = "GET", status = 200 }`; nothing without any. */
export function fieldsText(fields: Fields): string {
  const entries = Object.entries(fields);
  if (entries.length === 0) return "";
  return `{ ${entries.map(([name, value]) => `${lineText(name)} = ${valueText(value)}`).join(", ")} }`;
}

function valueText(value: FieldValue): string {
  return lineText(JSON.stringify(value, jsonValue), MAX_VALUE);
}
