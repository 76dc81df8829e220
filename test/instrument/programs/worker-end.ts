/**
 * Ends a Worker in the way that it is told, and says what its maker sees of it:
 * `worker-end.ts KIND WAY`, KIND is web or node. The ways are those of process-end.ts.
 */
import { Worker as NodeWorker } from "node:worker_threads";

const [kind, way = ""] = process.argv.slice(2);
/** In one line: what a Worker prints itself may come between, or be lost at its end. */
const see = (...what: unknown[]): void => console.log(`seen: ${JSON.stringify(what)}`);
const script = new URL("./process-end.ts", import.meta.url);
if (kind === "node") {
  const worker = new NodeWorker(script, { argv: [way] });
  worker.on("error", (error) => see("error", String(error)));
  worker.on("exit", (code) => see("exit of the Worker", code));
} else {
  const worker = new Worker(script, { argv: [way] });
  worker.addEventListener("error", (event) => {
    event.preventDefault();
    see("error", String(event.error), event.message);
  });
  worker.addEventListener("close", (event) => see("close", event.code));
}
