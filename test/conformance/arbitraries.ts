/**
 * fast-check arbitraries of event types and of values for their fields: edges
 * first, then anything that TypeScript's types allow. Runs in the test process.
 */
import fc from "fast-check";

import {
  elementType,
  type Field,
  type FieldType,
  isArrayType,
  NUMBER_TYPES,
  type NumberType,
} from "../../src/ctf/fields.ts";
import type { Plan } from "../support/plan.ts";
import { BIG_INTEGERS, DOUBLES, INTEGERS } from "./edges.ts";

const anyNumber = fc.oneof(
  fc.constantFrom(...DOUBLES, ...INTEGERS),
  fc.integer(),
  fc.maxSafeInteger(),
  fc.double(),
  fc.integer({ min: -300, max: 300 }),
);
const anyBigInt = fc.oneof(
  fc.constantFrom(...BIG_INTEGERS),
  fc.bigInt({ min: -(2n ** 66n), max: 2n ** 66n }),
);

const wild = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.string({ unit: "grapheme" }),
  // Any UTF-16 units: lone surrogates, NUL, controls.
  fc
    .array(fc.oneof(fc.integer({ min: 0, max: 0xffff }), fc.integer({ min: 0xd800, max: 0xdfff })))
    .map((units) => String.fromCharCode(...units)),
  fc.constantFrom("", "\0", "a\0b\0", '"\\\n\r\t\x1b\x7f', "ü€😀", "\ud800", "\udc00\ud800", "\ufeff"),
);
/** Around the limit of 65536 bytes, with characters of every length across it. */
const long = fc
  .tuple(
    fc.integer({ min: 65520, max: 65540 }),
    fc.array(fc.constantFrom("a", "ü", "€", "😀", "\ud800", "\0"), { maxLength: 12 }),
  )
  .map(([length, end]) => "x".repeat(length) + end.join(""));
const anyString = fc.oneof({ weight: 30, arbitrary: wild }, { weight: 1, arbitrary: long });

function anyElements(type: NumberType): fc.Arbitrary<ArrayLike<number | bigint>> {
  const element: fc.Arbitrary<number | bigint> = type === "u64" || type === "i64" ? anyBigInt : anyNumber;
  const short = fc.array(element, { maxLength: 20 });
  const most = 65536 / NUMBER_TYPES[type].bytes;
  const atLimit = fc
    .tuple(fc.integer({ min: most - 2, max: most + 2 }), element)
    .map(([length, value]) => Array.from({ length }, () => value));
  return fc.oneof({ weight: 40, arbitrary: short }, { weight: 1, arbitrary: atLimit });
}

/** Values for one field. */
export function anyValue(type: FieldType): fc.Arbitrary<unknown> {
  if (type === "string") return anyString;
  if (type === "bool") return fc.boolean();
  if (type === "bytes") return fc.uint8Array({ maxLength: 100 }).map((list) => list.slice().buffer);
  if (type === "u64" || type === "i64") return anyBigInt;
  if (typeof type === "object") {
    const labels: readonly string[] = Array.isArray(type.enum) ? type.enum : Object.keys(type.enum);
    return fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...labels) }, fc.string());
  }
  if (isArrayType(type)) return anyElements(elementType(type));
  return anyNumber;
}

/** Words that TSDL, JavaScript or the recorder's own fields use, and made-up ones. */
const anyName = fc.oneof(
  fc.constantFrom(
    "struct",
    "string",
    "event",
    "enum",
    "align",
    "id",
    "v",
    "timestamp",
    "stream_id",
    "integer",
  ),
  fc.constantFrom(
    "x",
    "_x",
    "__x",
    "x_length",
    "_x_length",
    "name",
    "length",
    "constructor",
    "toString",
    "values",
    "let",
    "at",
    "commit",
  ),
  fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_]{0,20}$/),
);

const numberTypes = Object.keys(NUMBER_TYPES) as NumberType[];
const anyLabel = fc.stringMatching(/^[ !#-[\]-~]{1,12}$/).filter((label) => label !== "unknown");
const anyEnum: fc.Arbitrary<FieldType> = fc
  .oneof(
    fc.uniqueArray(anyLabel, { minLength: 1, maxLength: 6 }),
    fc.constant(Array.from({ length: 256 }, (_, i) => `label ${i}`)),
    fc.constant({ one: 1, "two words": 2, "?'": 200, top: 254 }),
    fc.constant({ low: 0, high: 65534 }),
    fc.constant({ low: 0, high: 2 ** 32 - 2 }),
  )
  .map((labels) => ({ enum: labels }));
const anyType: fc.Arbitrary<FieldType> = fc.oneof(
  fc.constantFrom(...numberTypes),
  fc.constantFrom(...numberTypes.map((type): FieldType => `${type}[]`)),
  fc.constantFrom<FieldType>("bool", "string", "bytes"),
  anyEnum,
);

/** A field `x` after `_x` is refused (test/record/definitions.test.ts). */
function acceptable(fields: readonly Field[]): readonly Field[] {
  return fields.filter(([name], i) => !fields.slice(0, i).some(([before]) => before === `_${name}`));
}

const anyFields: fc.Arbitrary<readonly Field[]> = fc
  .uniqueArray(
    fc.tuple(anyName, anyType).map(([name, type]): Field => [name, type]),
    { selector: ([name]) => name, maxLength: 12, size: "max" },
  )
  .map(acceptable);

/** A few event types and a row of their events. */
export const anyPlan: fc.Arbitrary<Plan> = fc
  .uniqueArray(fc.tuple(fc.stringMatching(/^[A-Za-z0-9_.-]{1,20}$/), anyFields), {
    selector: ([name]) => name,
    minLength: 1,
    maxLength: 5,
  })
  .chain((defined) => {
    const types = defined.map(([name, fields]) => ({ name, fields }));
    const event = fc
      .nat({ max: types.length - 1 })
      .chain((type) =>
        fc
          .tuple(...(types[type]?.fields ?? []).map(([, fieldType]) => anyValue(fieldType)))
          .map((values) => ({ type, values })),
      );
    return fc.array(event, { maxLength: 60, size: "max" }).map((events) => ({ types, events }));
  });
