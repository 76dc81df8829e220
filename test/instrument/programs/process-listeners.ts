/** Prints all that a program can find out about listeners of `process`. */
export {};

const EVENTS = [
  "exit",
  "uncaughtExceptionMonitor",
  "unhandledRejection",
  "uncaughtException",
  "SIGTERM",
  "SIGUSR1",
];

function show(): void {
  console.log(process.eventNames());
  for (const event of EVENTS)
    console.log(event, process.listenerCount(event), process.listeners(event), process.rawListeners(event));
}

show();
const listener = (): void => {};
process.on("exit", listener);
process.once("unhandledRejection", listener);
show();
console.log(process.listenerCount("exit", listener));
process.removeListener("exit", listener);
console.log(process.removeAllListeners("unhandledRejection") === process);
show();
process.removeAllListeners();
show();
for (const name of ["listeners", "rawListeners", "listenerCount", "eventNames", "removeAllListeners"]) {
  const method: unknown = Reflect.get(process, name);
  if (typeof method === "function") console.log(method.name, method.length, Object.hasOwn(process, name));
}
console.log(Object.keys(process).length, process.getMaxListeners());
Promise.reject(new Error("still recorded"));
