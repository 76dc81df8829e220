// How fields lie in a stream's data: the sizes of types, and the bounds within which generated code reads. Used when code is
// generated, by the walks (js-walk.ts, wasm-walk.ts) and by those who begin them; type-builder.ts refuses what is beyond.
import { childrenOf } from "./meanings.ts";
import { SLACK } from "./runtime.ts";
import { alignmentOf, type FieldType } from "./types.ts";

/** Bytes after the data's end that generated code may read; a load of eight may begin there. */
export const REACH = SLACK - 16;

/** Elements without any data that one event, or one packet's header, may have. */
export const ELEMENT_BUDGET = 65_536;

/** Bits. Larger alignments serve no machine and would need windows of their size. */
export const MAX_ALIGN = 32_768;

/** Thrown when positions cannot be counted in bytes after all. */
export class NotBytewise extends Error {}

/** Bits of a type whose size is always the same, begun at its own alignment. */
export function staticBits(type: FieldType): number | undefined {
  switch (type.kind) {
    case "integer":
    case "float":
      return type.size;
    case "enum":
      return type.integer.size;
    case "struct": {
      let bits = 0;
      for (const member of type.members) {
        const size = staticBits(member.type);
        if (size === undefined) return undefined;
        bits = roundUp(bits, alignmentOf(member.type)) + size;
      }
      return bits;
    }
    case "array": {
      const size = staticBits(type.element);
      if (size === undefined) return undefined;
      if (type.length === 0) return 0;
      return roundUp(size, alignmentOf(type.element)) * (type.length - 1) + size;
    }
    default:
      return undefined;
  }
}

/** The fewest bits that a field of a type takes, alignment aside. */
export function minimumBits(type: FieldType): number {
  switch (type.kind) {
    case "string":
      return 8;
    case "struct":
      return type.members.reduce((sum, member) => sum + minimumBits(member.type), 0);
    case "variant":
      return type.options.reduce((least, option) => Math.min(least, minimumBits(option.type)), Infinity);
    case "array":
      return type.length * minimumBits(type.element);
    case "sequence":
      return 0;
    default:
      return staticBits(type) ?? 0;
  }
}

/** Whether there are arrays of elements without data, which must be counted: see {@link ELEMENT_BUDGET}. */
export function hasEmptyElements(type: FieldType): boolean {
  if (type.kind === "array" && type.length > 0 && minimumBits(type.element) === 0) return true;
  return childrenOf(type).some(hasEmptyElements);
}

/** The next multiple of `align`. */
export function roundUp(bits: number, align: number): number {
  return Math.ceil(bits / align) * align;
}

/** Bits to which what lies so many bits after something aligned is aligned itself. */
export function lowestBit(bits: number): number {
  let bit = 1;
  while (bits % (bit * 2) === 0 && bit < MAX_ALIGN) bit *= 2;
  return bit;
}
