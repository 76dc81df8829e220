/**
 * A list of events for a program to emit (programs/emit-plan.ts), handed over in
 * a file, and the list of them that it hands back. Used on both sides.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { deserialize, serialize } from "node:v8";

import type { Field } from "../../src/ctf/fields.ts";
import type { SessionOptions } from "../../src/record/settings.ts";
import type { Expected } from "./expected.ts";
import type { Place } from "./place.ts";
import { runJson } from "./run.ts";

/** What to emit. */
export interface Plan {
  readonly types: readonly { readonly name: string; readonly fields: readonly Field[] }[];
  /** In this order; `type` is an index, `values` are of the fields' TypeScript types. */
  readonly events: readonly { readonly type: number; readonly values: readonly unknown[] }[];
}

/** What the program says that it emitted. */
export interface Emitted {
  readonly events: readonly { readonly name: string; readonly fields: Readonly<Record<string, Expected>> }[];
  /** How many values must count as altered. */
  readonly altered: number;
  /** How many do. */
  readonly alteredValues: number;
  /** Of all events together. */
  readonly payloadBytes: number;
}

const EMIT_PLAN = join(import.meta.dirname, "programs/emit-plan.ts");

/** Reads a plan in the emitting program. */
export function readPlan(path: string): Plan {
  return deserialize(readFileSync(path)) as Plan;
}

/** Has a program emit a plan, recorded. */
export async function emitPlan(place: Place, plan: Plan, session?: SessionOptions): Promise<Emitted> {
  const path = join(place.dir, "plan");
  writeFileSync(path, serialize(plan));
  const printed = await runJson(place, EMIT_PLAN, { args: [path], ...(session ? { session } : {}) });
  return printed as Emitted;
}
