// Spans of traces, for src/report and src/export. Two forms: items.ts, objects in the order of time, and cursor.ts, without
// objects an event, for reports on many events.
export { type CursorOptions, SpanCursor, type SpanItemKind } from "./cursor.ts";
export { type SpanItem, spanItems } from "./items.ts";
export type { SpanPath, SpanPaths } from "./paths.ts";
export { Roles, type SpanType } from "./roles.ts";
export type { Span } from "./span.ts";
export type { Thread } from "./thread.ts";
export { recallBegin } from "./recall.ts";
export { type SameName, type SpanNode, spanTree } from "./tree.ts";
