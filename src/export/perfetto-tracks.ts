// The tracks of a Perfetto trace: one for each process, thread, lane, counter, and stream with losses; and the packets that
// describe them. Used by perfetto.ts.
import type { Loss, Stream } from "../ctf/stream.ts";
import type { Trace } from "../ctf/trace.ts";
import { streamName } from "../report/losses.ts";
import type { Thread } from "../spans/index.ts";
import type { Lane } from "./lanes.ts";
import type { Message } from "./protobuf.ts";
import { Who } from "./who.ts";

/** Tracks below a thread's that have the same name are shown as one, with rows. */
const BESIDE = "beside";
const EVENTS = "events";

interface ThreadTracks {
  readonly uuid: number;
  name: string;
  readonly below: Map<string, number>;
}

/** Gives each track a number, and describes it before the number is used. */
export class Tracks {
  readonly #describe: (descriptor: Message) => void;
  readonly #who = new Who();
  readonly #processes = new Map<number, number>();
  readonly #threads = new Map<Thread, ThreadTracks>();
  readonly #losses = new Map<string, number>();
  #next: number;

  /**
   * @param first number of the first track; those of other files that may be read together should be far away
   * @param describe writes a TrackDescriptor
   */
  constructor(first: number, describe: (descriptor: Message) => void) {
    this.#next = first;
    this.#describe = describe;
  }

  lane({ thread, index }: Lane): number {
    return index === 0 ? this.#thread(thread).uuid : this.#below(thread, `lane ${index}`, { name: BESIDE });
  }

  events(thread: Thread): number {
    return this.#below(thread, EVENTS, { name: EVENTS });
  }

  counter(thread: Thread, name: string): number {
    return this.#below(thread, `counter ${name}`, { name, counter: {} });
  }

  losses(trace: Trace, stream: Stream, kind: Loss["kind"]): number {
    const key = `${kind} ${stream.index}`;
    let uuid = this.#losses.get(key);
    if (uuid === undefined) {
      const { pid, name } = this.#who.process(trace, undefined);
      const parent_uuid = this.#process(pid, name);
      uuid = this.#add({ name: `lost ${kind} of ${streamName(stream)}`, parent_uuid });
      this.#losses.set(key, uuid);
    }
    return uuid;
  }

  #process(pid: number, process_name: string): number {
    let uuid = this.#processes.get(pid);
    if (uuid === undefined) {
      uuid = this.#add({ process: { pid, process_name } });
      this.#processes.set(pid, uuid);
    }
    return uuid;
  }

  #thread(thread: Thread): ThreadTracks {
    const { name } = this.#who.thread(thread);
    const known = this.#threads.get(thread);
    if (known?.name === name) return known;
    const { pid, name: processName } = this.#who.process(thread.trace, thread.pid);
    const { tid } = this.#who.thread(thread);
    const parent_uuid = this.#process(pid, processName);
    const descriptor = { parent_uuid, thread: { pid, tid, thread_name: name } };
    if (known !== undefined) {
      known.name = name;
      this.#describe({ uuid: known.uuid, ...descriptor });
      return known;
    }
    const made = { uuid: this.#add(descriptor), name, below: new Map() };
    this.#threads.set(thread, made);
    return made;
  }

  #below(thread: Thread, key: string, descriptor: Message): number {
    const { uuid: parent_uuid, below } = this.#thread(thread);
    let uuid = below.get(key);
    if (uuid === undefined) {
      uuid = this.#add({ ...descriptor, parent_uuid });
      below.set(key, uuid);
    }
    return uuid;
  }

  #add(descriptor: Message): number {
    const uuid = this.#next;
    this.#next += 1;
    this.#describe({ uuid, ...descriptor });
    return uuid;
  }
}
