/** Preloaded before the recorder's own: takes away what two instruments need. */
Object.defineProperty(process, "execArgv", {
  get(): never {
    throw new Error("broken");
  },
});
Object.defineProperty(globalThis, "Worker", {
  get(): never {
    throw new Error("broken");
  },
});
