// The fields that event classes have, by the names that --where and --by give them. Called by the filter, and to tell which
// names are of no field.
import type { EnumType, EventClass, FieldType, StructType } from "../ctf/types.ts";

const enums = new WeakMap<EventClass, Map<string, EnumType | undefined>>();

/** The enumeration that a field is, if it is one whatever the event's other values are. */
export function enumAt(event: EventClass, name: string): EnumType | undefined {
  let known = enums.get(event);
  if (known === undefined) enums.set(event, (known = new Map()));
  if (!known.has(name)) {
    const type = scopesFor(event)
      .map((scope) => typesAt(scope, name))
      .find((types) => types.length > 0);
    const [only] = type ?? [];
    known.set(name, type?.length === 1 && only?.kind === "enum" ? only : undefined);
  }
  return known.get(name);
}

/** Where a field of an event is looked for, in this order. */
export function scopesFor({ fields, context, streamClass }: EventClass): StructType[] {
  return [fields, context, streamClass.eventContext, streamClass.packetContext].filter(
    (scope) => scope !== undefined,
  );
}

/** The types that a place in a type may have: more than one in a variant, none where there is no such place. */
export function typesAt(type: FieldType, name: string): FieldType[] {
  switch (type.kind) {
    case "struct": {
      const shown = type.members.filter(({ hidden }) => !hidden);
      const member = shown.find((one) => one.name === name);
      if (member !== undefined) return ends(member.type);
      return shown
        .filter((one) => name.startsWith(`${one.name}.`))
        .flatMap((one) => typesAt(one.type, name.slice(one.name.length + 1)));
    }
    case "variant":
      return type.options.flatMap((option) => typesAt(option.type, name));
    case "array":
    case "sequence": {
      const [index = "", ...rest] = name.split(".");
      if (!/^\d+$/.test(index)) return [];
      return rest.length === 0 ? ends(type.element) : typesAt(type.element, rest.join("."));
    }
    default:
      return [];
  }
}

function ends(type: FieldType): FieldType[] {
  return type.kind === "variant" ? type.options.flatMap((option) => ends(option.type)) : [type];
}

/** The names by which a type's fields are known; those of arrays' elements are left out. */
export function namesIn(type: FieldType): string[] {
  if (type.kind === "variant") return type.options.flatMap((option) => namesIn(option.type));
  if (type.kind !== "struct") return [];
  return type.members
    .filter(({ hidden }) => !hidden)
    .flatMap((member) => [member.name, ...namesIn(member.type).map((inner) => `${member.name}.${inner}`)]);
}
