/** Preloaded before the recorder: tells at the end how many timers were started before the program began. */
const { setTimeout: original } = globalThis;
const waitAsync = Atomics.waitAsync;
let count = 0;

globalThis.setTimeout = Object.assign((...args: Parameters<typeof original>) => {
  count++;
  return original(...args);
}, original);
Atomics.waitAsync = ((...args: Parameters<typeof waitAsync>) => {
  count++;
  return waitAsync(...args);
}) as typeof waitAsync;
process.on("exit", () => console.log(`timers: ${count}`));
