/**
 * Emits the events of a plan and keeps its own list of them, which it prints as
 * JSON. Started by tests, under the recorder: `emit-plan.ts PLAN-FILE`.
 */
import { flush, openSession, provider } from "../../../src/index.ts";
import { Oracle } from "../expected.ts";
import { type Emitted, readPlan } from "../plan.ts";

const plan = readPlan(process.argv[2] ?? "");
const test = provider("test");
const types = plan.types.map(({ name, fields }) => ({
  name: `test:${name}`,
  fields,
  emit: test.tracepoint(name, fields) as unknown as (...values: readonly unknown[]) => void,
}));

const oracle = new Oracle();
const events: Emitted["events"][number][] = [];
for (const { type, values } of plan.events) {
  const found = types[type];
  if (!found) throw new Error(`no type ${type}`);
  found.emit(...values);
  events.push({
    name: found.name,
    fields: Object.fromEntries(
      found.fields.map(([name, fieldType], i) => [name, oracle.value(fieldType, values[i])]),
    ),
  });
}
await flush();
const session = await openSession();
const emitted: Emitted = {
  events,
  altered: oracle.altered,
  alteredValues: session.info()?.alteredValues ?? -1,
  payloadBytes: oracle.payloadBytes,
};
console.log(JSON.stringify(emitted));
