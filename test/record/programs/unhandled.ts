/**
 * A traced promise is rejected and nobody handles it. Started by tests; with the
 * argument `listen` it counts how often it is told.
 */
import { provider } from "../../../src/index.ts";

const span = provider("test").span("span");
let unhandled = 0;
if (process.argv[2] === "listen")
  process.on("unhandledRejection", () => {
    unhandled++;
  });
void span.trace(async () => {
  await Promise.resolve();
  throw new Error("nobody handles this");
});
await Bun.sleep(20);
console.log(`${unhandled} unhandled rejections`);
