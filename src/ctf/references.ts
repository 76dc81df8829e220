// The fields whose values later fields need: the tags of variants and the lengths of sequences. Generated code keeps each
// in a variable; those of a packet's header and context outlive it and are handed to the events' code as `stored`.
import { childrenOf } from "./meanings.ts";
import type { FieldType } from "./types.ts";

/** The variables that hold a field's value: as a number, and as a bigint where a tag has more than 53 bits. */
export interface Reference {
  readonly number: string | undefined;
  readonly bigint: string | undefined;
}

/** The references among some scopes' fields. */
export class References {
  readonly #byType = new Map<FieldType, Reference>();

  /**
   * @param scopes the types whose variants and sequences count
   * @param more further fields that are needed, by whatever is not in the scopes
   */
  constructor(scopes: readonly (FieldType | undefined)[], more: readonly FieldType[] = []) {
    for (const scope of scopes) if (scope !== undefined) this.#collect(scope);
    for (const type of more) {
      this.#add(type, "number");
      if (isLargeTag(type)) this.#add(type, "bigint");
    }
  }

  /** The variables of a field, if any other needs it. */
  get(type: FieldType | undefined): Reference | undefined {
    return type === undefined ? undefined : this.#byType.get(type);
  }

  /** The fields that are needed. */
  types(): FieldType[] {
    return [...this.#byType.keys()];
  }

  /** The fields under `scope` that are needed. */
  within(scope: FieldType | undefined): FieldType[] {
    if (scope === undefined) return [];
    const self = this.#byType.has(scope) ? [scope] : [];
    return [...self, ...childrenOf(scope).flatMap((child) => this.within(child))];
  }

  /**
   * Code that declares all variables; those of the fields in `stored` begin with the values in the array `stored`, two
   * for each field.
   */
  declarations(stored: readonly FieldType[]): string {
    const lines: string[] = [];
    for (const [type, { number, bigint }] of this.#byType) {
      const index = stored.indexOf(type);
      if (number !== undefined) lines.push(`let ${number} = ${index < 0 ? "0" : `stored[${index * 2}]`};`);
      if (bigint !== undefined)
        lines.push(`let ${bigint} = ${index < 0 ? "0n" : `stored[${index * 2 + 1}]`};`);
    }
    return lines.join("\n");
  }

  /** Code that puts the values of the fields in `stored` into the array of that name. */
  storing(stored: readonly FieldType[]): string {
    return stored
      .map((type) => {
        const reference = this.#byType.get(type);
        return `stored.push(${reference?.number ?? 0}, ${reference?.bigint ?? 0});`;
      })
      .join("\n");
  }

  #collect(type: FieldType): void {
    if (type.kind === "variant" && type.tag !== undefined) {
      this.#add(type.tag, isLargeTag(type.tag) ? "bigint" : "number");
    } else if (type.kind === "sequence" && type.length !== undefined) {
      this.#add(type.length, "number");
    }
    for (const child of childrenOf(type)) this.#collect(child);
  }

  #add(type: FieldType, form: keyof Reference): void {
    const before = this.#byType.get(type) ?? {
      number: undefined,
      bigint: undefined,
    };
    // The letter tells the two variables of a field apart, so the count of fields may number both.
    const name = before[form] ?? `${form === "bigint" ? "rb" : "r"}${this.#byType.size}`;
    this.#byType.set(type, { ...before, [form]: name });
  }
}

function isLargeTag(type: FieldType): boolean {
  return type.kind === "enum" && type.integer.size > 53;
}
