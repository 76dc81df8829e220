/** Ends in the way its argument says, with listeners that tell what they see. */
export {};

process.on("exit", (code) => console.log("exit", code, process.exitCode));

class OwnError extends Error {
  override name = "OwnError";
  code = "OWN";
}

function fail(): never {
  throw new OwnError("first line\nsecond line", { cause: new Error("the cause") });
}

const ways: Record<string, () => unknown> = {
  end: () => console.log("end"),
  exit: () => process.exit(7),
  "exit-code": () => (process.exitCode = 9),
  throw: fail,
  "throw-later": () => setTimeout(fail, 1),
  "throw-type-error": () => (undefined as unknown as { x: number }).x,
  "throw-string": () => setTimeout(() => Promise.reject("a string"), 1),
  "throw-handled": () => {
    process.on("uncaughtException", (error) => console.log("handled", error.message));
    setTimeout(fail, 1);
    setTimeout(() => console.log("later"), 20);
  },
  "top-level-await": async () => {
    await Bun.sleep(1);
    fail();
  },
  reject: () => {
    Promise.reject(new OwnError("rejected"));
    setTimeout(() => console.log("never"), 1);
  },
  "reject-exit-code": () => {
    process.exitCode = 9;
    Promise.reject(new OwnError("rejected"));
  },
  "reject-later-exit": async () => {
    Promise.reject(new OwnError("rejected"));
    await Bun.sleep(1);
    process.exit(7);
  },
  "reject-and-exit": () => {
    Promise.reject(new OwnError("rejected"));
    process.nextTick(() => process.exit(9));
  },
  "reject-three": () =>
    setTimeout(() => {
      Promise.reject(new OwnError("one"));
      Promise.reject(2);
      Promise.reject({ three: 3 });
      queueMicrotask(() => console.log("microtask"));
      process.nextTick(() => console.log("tick"));
      setImmediate(() => console.log("never"));
    }, 1),
  "reject-handled": () => {
    process.on("unhandledRejection", (reason, promise) =>
      console.log("handled", String(reason), promise instanceof Promise),
    );
    process.on("rejectionHandled", () => console.log("after all"));
    const promise = Promise.reject(new OwnError("rejected"));
    setTimeout(() => promise.catch(() => console.log("caught")), 5);
  },
  "reject-once": () => {
    process.once("unhandledRejection", (reason) => console.log("handled", String(reason)));
    Promise.reject(new OwnError("one"));
    setTimeout(() => Promise.reject(new OwnError("two")), 5);
  },
  "reject-twice": async () => {
    Promise.reject(new OwnError("one"));
    await Bun.sleep(1);
    Promise.reject(new OwnError("two"));
    await Bun.sleep(1);
    console.log("goes on");
  },
  "reject-late-catch": () => {
    const promise = Promise.reject(new OwnError("in time"));
    queueMicrotask(() => promise.catch(() => console.log("caught")));
  },
  "reject-and-throw": () => {
    setTimeout(fail, 0);
    Promise.reject(new OwnError("rejected"));
  },
  monitored: () => {
    process.on("uncaughtExceptionMonitor", (error, origin) => console.log("monitor", error.message, origin));
    setTimeout(fail, 1);
  },
  report: () => reportError(new OwnError("reported")),
};

const way = ways[process.argv[2] ?? "end"];
if (!way) throw new Error("no such way");
await way();
