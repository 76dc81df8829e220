/**
 * Listens to events of `process` without being seen: a program that asks whether
 * anybody listens before it does, or removes all listeners, finds what it would find
 * untraced. Used by uncaught.ts and instruments, in any
 * thread: each has a `process` of its own.
 */
type Callable = (this: unknown, ...args: unknown[]) => unknown;

const ours = new Map<Callable, string | symbol>();

/** The methods of `process` as they were. */
let methods: Record<string, Callable> | undefined;

/** Listens unseen, and before the listeners that there are. */
export function listenUnseen(event: string, listener: Callable): void {
  hide();
  ours.set(listener, event);
  methods?.["prependListener"]?.call(process, event, listener);
}

/** Stops listening. */
export function unlistenUnseen(event: string, listener: Callable): void {
  ours.delete(listener);
  methods?.["removeListener"]?.call(process, event, listener);
}

/** Replaces what tells of listeners. */
function hide(): void {
  if (methods) return;
  const prototype: object = Object.getPrototypeOf(process);
  const own: Record<string, Callable> = {};
  for (const name of ["prependListener", "removeListener"]) own[name] = Reflect.get(prototype, name);
  methods = own;
  const unseen = (list: unknown): unknown =>
    Array.isArray(list) ? list.filter((one) => !ours.has(one)) : list;
  change(prototype, "listeners", unseen);
  change(prototype, "rawListeners", unseen);
  change(prototype, "listenerCount", (count, [event]) =>
    typeof count === "number" ? count - [...ours.values()].filter((one) => one === event).length : count,
  );
  change(prototype, "eventNames", (names) =>
    Array.isArray(names) ? names.filter((name) => process.listenerCount(name) > 0) : names,
  );
  change(prototype, "removeAllListeners", (result, [event]) => {
    for (const [listener, of] of ours)
      if (event === undefined || of === event) own["prependListener"]?.call(process, of, listener);
    return result;
  });
}

/** Changes what a method of `process` returns; other emitters that share it are left alone. */
function change(
  prototype: object,
  name: string,
  result: (result: unknown, args: readonly unknown[]) => unknown,
): void {
  const descriptor = Object.getOwnPropertyDescriptor(prototype, name);
  const original: Callable | undefined = descriptor?.value;
  if (!original) return;
  const changed = {
    [name](this: unknown, ...args: unknown[]): unknown {
      const found = original.apply(this, args);
      return this === process ? result(found, args) : found;
    },
  }[name];
  if (!changed) return;
  Object.defineProperties(changed, Object.getOwnPropertyDescriptors(original));
  Object.defineProperty(prototype, name, { ...descriptor, value: changed });
}
