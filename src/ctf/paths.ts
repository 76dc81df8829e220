// Finds the fields that variants' tags and sequences' lengths name (CTF 1.8.3 section 7.3.2, dynamic scopes). Called by
// resolve.ts, on the types of a whole trace, once.
import { CtfError } from "./errors.ts";
import { type FieldType, integerOf, type StreamClass, type StructType, type TraceClass } from "./types.ts";

/** The dynamic scopes' prefixes, in the order in which their fields stand in a packet. */
const SCOPES = [
  "trace.packet.header",
  "stream.packet.context",
  "stream.event.header",
  "stream.event.context",
  "event.context",
  "event.fields",
] as const;

type ScopeName = (typeof SCOPES)[number];

/** Sets the tag of every variant and the length of every sequence of a trace. @throws CtfError naming the path */
export function resolvePaths(trace: TraceClass, file: string): void {
  new PathResolver(file).resolveTrace(trace);
}

class PathResolver {
  readonly #file: string;
  readonly #roots = new Map<ScopeName, StructType>();
  /** Fields already passed: a reference may only go back. */
  readonly #passed = new Set<FieldType>();
  /** The types around the current one, outermost first. */
  readonly #around: FieldType[] = [];

  constructor(file: string) {
    this.#file = file;
  }

  resolveTrace(trace: TraceClass): void {
    this.#scope("trace.packet.header", trace.packetHeader);
    for (const stream of trace.streamClasses) this.#resolveStream(stream);
  }

  #resolveStream(stream: StreamClass): void {
    this.#scope("stream.packet.context", stream.packetContext);
    this.#scope("stream.event.header", stream.eventHeader);
    this.#scope("stream.event.context", stream.eventContext);
    for (const event of stream.events) {
      this.#scope("event.context", event.context);
      this.#scope("event.fields", event.fields);
    }
    for (const name of SCOPES) if (name !== "trace.packet.header") this.#roots.delete(name);
  }

  #scope(name: ScopeName, root: StructType | undefined): void {
    // A scope that this event or stream does not have must not be found in the one before.
    this.#roots.delete(name);
    if (root === undefined) return;
    this.#roots.set(name, root);
    this.#visit(root);
  }

  #visit(type: FieldType): void {
    if (type.kind === "variant") {
      const tag = this.#target(type.path, "variant");
      if (tag.kind !== "enum") throw this.#fail(`the tag ${type.path} of a variant is no enumeration`);
      type.tag = tag;
      type.choices = type.options.flatMap(({ rawName }, option) =>
        tag.ranges
          .filter(({ label }) => label === rawName)
          .map(({ first, last }) => ({ first, last, option })),
      );
    } else if (type.kind === "sequence") {
      const length = this.#target(type.path, "sequence");
      if (length.kind !== "integer" && length.kind !== "enum") {
        throw this.#fail(`the length ${type.path} of a sequence is no integer`);
      }
      if (integerOf(length)?.signed === true)
        throw this.#fail(`the length ${type.path} of a sequence is signed`);
      type.length = length;
    }
    this.#around.push(type);
    if (type.kind === "struct") for (const member of type.members) this.#visit(member.type);
    else if (type.kind === "variant") for (const option of type.options) this.#visit(option.type);
    else if (type.kind === "array" || type.kind === "sequence") this.#visit(type.element);
    this.#around.pop();
    this.#passed.add(type);
  }

  #target(path: string, what: string): FieldType {
    if (path === "") throw this.#fail(`a ${what} needs a tag`);
    for (const name of SCOPES) {
      if (!path.startsWith(`${name}.`)) continue;
      const root = this.#roots.get(name);
      const found = root && this.#find(root, path.slice(name.length + 1).split("."));
      if (found === undefined) throw this.#fail(`there is no field ${path} before the ${what} that names it`);
      return found;
    }
    const words = path.split(".");
    for (const around of this.#around.toReversed()) {
      const found = this.#find(around, words);
      if (found !== undefined) return found;
    }
    throw this.#fail(`there is no field ${path} before the ${what} that names it`);
  }

  #find(from: FieldType, words: readonly string[]): FieldType | undefined {
    let type: FieldType | undefined = from;
    for (const word of words) {
      // A path does not say which element of an array it means: it is the last one read.
      while (type !== undefined && (type.kind === "array" || type.kind === "sequence")) type = type.element;
      const members: StructType["members"] | undefined =
        type?.kind === "struct" ? type.members : type?.kind === "variant" ? type.options : undefined;
      type = members?.find(({ rawName }) => rawName === word)?.type;
      if (type === undefined) return undefined;
    }
    return this.#passed.has(type) ? type : undefined;
  }

  #fail(message: string): CtfError {
    return new CtfError(message, { file: this.#file });
  }
}
