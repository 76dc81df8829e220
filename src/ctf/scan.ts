// The scan: finds the events of a packet (times, classes, places) and hands their fields to a consumer on its way, such as
// columns.ts. Runs the code of scan-code.ts in an arena, on what scan-state.ts describes; called by stream.ts.
import { type Arena, MAX_PAGES } from "./arena.ts";
import type { StreamDecoder } from "./decoder.ts";
import { type BodyConsumer, ScanCode } from "./scan-code.ts";
import { SCAN_STOP, STATE } from "./scan-state.ts";
import { makeHelpers } from "./wasm-helpers.ts";
import { compileModule, type FunctionCode } from "./wasm.ts";

/** Scans the events of one stream class in one arena. */
export class EventScan {
  readonly #arena: Arena;
  readonly #decoder: StreamDecoder;
  readonly #consumer: BodyConsumer | undefined;
  readonly #imports: { readonly env: Record<string, WebAssembly.Memory | WebAssembly.Table> };
  readonly #table: WebAssembly.Table;
  readonly #scan: EventFunction;

  constructor(arena: Arena, decoder: StreamDecoder, consumer?: BodyConsumer) {
    this.#arena = arena;
    this.#decoder = decoder;
    this.#consumer = consumer;
    const { events } = decoder.streamClass;
    this.#table = new WebAssembly.Table({ element: "anyfunc", initial: events.length });
    this.#imports = { env: { memory: arena.memory, table: this.#table } };
    const code = new ScanCode(decoder, consumer).scan();
    this.#scan = this.#instantiate(code);
  }

  /** Scans on, from and with what the state block at an address says. */
  run(state: number): void {
    for (;;) {
      this.#scan(state, 0, 0, 0);
      const { view } = this.#arena;
      const stop = view.getUint32(state + STATE.stop, true);
      const isEmpty = view.getUint32(state + STATE.count, true) === 0;
      if (stop === SCAN_STOP.newClass) this.#makeBody(view.getUint32(state + STATE.newClass, true));
      else if (stop === SCAN_STOP.room && isEmpty) this.#consumer?.makeRoom();
      else return;
      if (!isEmpty) return;
    }
  }

  #makeBody(index: number): void {
    const event = this.#decoder.streamClass.events[index];
    if (event === undefined) throw new RangeError(`no event class ${index}`);
    this.#table.set(index, this.#instantiate(new ScanCode(this.#decoder, this.#consumer).body(event)));
  }

  #instantiate(code: FunctionCode): EventFunction {
    const { functions } = makeHelpers(1);
    const module = compileModule([{ name: "run", code }, ...functions], MAX_PAGES);
    const { run } = new WebAssembly.Instance(module, this.#imports).exports;
    if (!isEventFunction(run)) throw new Error("a module without its function");
    return run;
  }
}

/**
 * Reads the fields of one event: the state's address, the event's position, where the data ends, the event's number.
 * Returns the position after the event, or FAILED of scan-code.ts. A scan has the same type, and uses the first.
 */
type EventFunction = (state: number, p: number, end: number, n: number) => number;

function isEventFunction(value: unknown): value is EventFunction {
  return typeof value === "function";
}
