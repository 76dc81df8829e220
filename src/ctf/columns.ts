// The columnar form of events, for work on many: the events of a batch that are of one class, each field an array. The
// arrays are filled while the batch is scanned, and used again for the next. Called by reports and exports.
import { bigintCode, type IntegerCode, numberCode, type Sink, type Walk } from "./codegen.ts";
import {
  type BodyConsumer,
  type BodySinks,
  type ScanFunction,
  type ScopeName,
  type StreamDecoder,
} from "./decoder.ts";
import type { Fields, FieldValue } from "./objects.ts";
import { text } from "./runtime.ts";
import type { EventBatch } from "./stream.ts";
import {
  type ArrayType,
  type EnumType,
  type EventClass,
  type FieldType,
  type FloatType,
  type IntegerType,
  integerOf,
  type Member,
  type SequenceType,
  type StringType,
} from "./types.ts";

/** A field of all events of a group; rows count from 0 to before the group's length. */
export interface Column {
  readonly scope: ScopeName;
  /** The field's name; names of nested structures' members are joined by dots. */
  readonly name: string;
  readonly type: FieldType;
  /**
   * Integers, enumerations' integers and floats, and the elements of arrays and sequences of them; integers beyond 2^53
   * lose their lowest bits. None for other types.
   */
  readonly numbers: Float64Array | undefined;
  /** Integers and enumerations of 54 bits and more, exact. */
  readonly bigints: BigInt64Array | BigUint64Array | undefined;
  /**
   * Texts: the bytes from `starts` to before `ends` in the batch's bytes. Arrays and sequences of numbers: the elements
   * from `starts` to before `ends` in {@link numbers}.
   */
  readonly starts: Uint32Array | undefined;
  readonly ends: Uint32Array | undefined;
  /** The value of any field, in the form of event records; slow for arrays, sequences, variants and enumerations. */
  value(row: number): FieldValue;
}

/** The events of one class in a batch. Valid as long as the batch. */
export interface EventGroup {
  readonly batch: EventBatch;
  readonly event: EventClass;
  /** Events, at least one. */
  readonly length: number;
  /** Index in the batch of each row; ascending. */
  readonly rows: Uint32Array;
  /** The fields that are data, in the order of the metadata. */
  readonly columns: readonly Column[];
}

/** Which fields of which events become columns; all by default. */
export interface ColumnSelection {
  /** Whether events of a class are wanted. */
  event?(event: EventClass): boolean;
  /** Whether a field is: `name` as in {@link Column.name}. */
  field?(event: EventClass, scope: ScopeName, name: string): boolean;
}

/** Fills the columns of one stream class's events; see TraceSet.groups. */
export class ColumnScan implements BodyConsumer {
  readonly scan: ScanFunction;
  readonly #selection: ColumnSelection;
  readonly #decoder: StreamDecoder;
  readonly #tables = new Map<EventClass, Table>();

  constructor(decoder: StreamDecoder, selection: ColumnSelection) {
    this.#decoder = decoder;
    this.#selection = selection;
    this.scan = decoder.scanWith(this);
  }

  /** The groups of the batch scanned last, in the order of the metadata. */
  *groups(batch: EventBatch): Generator<EventGroup, void, undefined> {
    for (const table of this.#tables.values()) {
      if (table.count === 0) continue;
      yield table.group(batch);
    }
  }

  /** Forgets the rows of the last batch. */
  clear(): void {
    for (const table of this.#tables.values()) table.clear();
  }

  wants(event: EventClass): boolean {
    return this.#selection.event?.(event) ?? true;
  }

  open(event: EventClass, walk: Walk): BodySinks | undefined {
    if (!this.wants(event)) return undefined;
    const table = new Table(this.#decoder, event);
    this.#tables.set(event, table);
    const name = walk.constant(table);
    // Counts and arrays are variables of the scan: looking them up in every event would take longer than filling them.
    const count = walk.name("count");
    const arrays = new Map<string, string>([[walk.name("a"), `${name}.rows`]]);
    const [rows] = arrays.keys();
    walk.line(`const row = ${count};`);
    const fetch = (declare: string): string =>
      [...arrays].map(([array, source]) => `${declare}${array} = ${source};`).join(" ");
    return {
      sink: (scope) =>
        new ColumnSink(walk, table, arrays, scope, (path) => this.#wantsField(event, scope, path)),
      close: () => {
        table.grow();
        walk.line(`${rows}[row] = n;`);
        walk.line(
          `if (++${count} === ${name}.capacity) { ${name}.count = ${count}; ${name}.grow(); ${fetch("")} }`,
        );
        return {
          before: `let ${count} = ${name}.count; ${fetch("let ")}`,
          after: `${name}.count = ${count};`,
        };
      },
    };
  }

  #wantsField(event: EventClass, scope: ScopeName, name: string): boolean {
    return this.#selection.field?.(event, scope, name) ?? true;
  }
}

/** The elements of a column of arrays, those of one row after those of the row before. */
class Elements {
  numbers = new Float64Array(256);
  count = 0;

  /** Makes room for elements up to `length`. */
  reserve(length: number): void {
    if (length <= this.numbers.length) return;
    const before = this.numbers;
    this.numbers = new Float64Array(Math.max(length, before.length * 2));
    this.numbers.set(before);
  }
}

/** The arrays of one field, under the names that generated code knows them by. */
class Store {
  numbers = new Float64Array(0);
  /** The memory of `bigints`, as halves. */
  halves = new Uint32Array(0);
  bigints: BigInt64Array | BigUint64Array | undefined;
  starts = new Uint32Array(0);
  ends = new Uint32Array(0);
  readonly elements = new Elements();
}

/** How a field is kept. */
interface Shape {
  readonly scope: ScopeName;
  readonly path: readonly string[];
  readonly type: FieldType;
  readonly form: "number" | "text" | "elements" | "value";
  readonly store: Store;
}

/** Rows that a class gets room for at first; a program's classes are many, and most are rare. */
const FIRST_CAPACITY = 64;

/** The columns of one class. Generated code writes to its stores, and counts. */
class Table {
  count = 0;
  capacity = 0;
  rows = new Uint32Array(0);
  readonly #shapes: Shape[] = [];
  readonly #decoder: StreamDecoder;
  readonly #event: EventClass;
  #batch: EventBatch | undefined;
  #columns: readonly Column[] | undefined;

  constructor(decoder: StreamDecoder, event: EventClass) {
    this.#decoder = decoder;
    this.#event = event;
  }

  add(shape: Omit<Shape, "store">): Store {
    const store = new Store();
    this.#shapes.push({ ...shape, store });
    return store;
  }

  clear(): void {
    this.count = 0;
    for (const { store } of this.#shapes) store.elements.count = 0;
  }

  /** Doubles the room, and keeps what is there. */
  grow(): void {
    this.capacity = Math.max(FIRST_CAPACITY, this.capacity * 2);
    this.rows = larger(new Uint32Array(this.capacity), this.rows);
    for (const { form, store, type } of this.#shapes) {
      if (form === "number") {
        store.numbers = larger(new Float64Array(this.capacity), store.numbers);
        const integer = integerOf(type);
        if (integer === undefined || !isLarge(integer)) continue;
        store.halves = larger(new Uint32Array(this.capacity * 2), store.halves);
        const { buffer } = store.halves;
        store.bigints = integer.signed ? new BigInt64Array(buffer) : new BigUint64Array(buffer);
      } else if (form !== "value") {
        store.starts = larger(new Uint32Array(this.capacity), store.starts);
        store.ends = larger(new Uint32Array(this.capacity), store.ends);
      }
    }
    this.#columns = undefined;
  }

  group(batch: EventBatch): EventGroup {
    this.#batch = batch;
    this.#columns ??= this.#shapes.map((shape) => this.#column(shape));
    return { batch, event: this.#event, length: this.count, rows: this.rows, columns: this.#columns };
  }

  #column(shape: Shape): Column {
    const { scope, path, type, form, store } = shape;
    const decoded = (row: number): FieldValue => this.#value(row, shape);
    const column = {
      scope,
      name: path.join("."),
      type,
      value: decoded,
      numbers: undefined,
      bigints: undefined,
      starts: undefined,
      ends: undefined,
    };
    if (form === "value") return column;
    if (form === "elements") {
      const { starts, ends, elements } = store;
      return {
        ...column,
        starts,
        ends,
        get numbers() {
          return elements.numbers;
        },
      };
    }
    if (form === "text") {
      const { starts, ends } = store;
      const nothing = new Uint8Array(0);
      return {
        ...column,
        starts,
        ends,
        value: (row) => text(this.#batch?.bytes ?? nothing, starts[row] ?? 0, ends[row] ?? 0),
      };
    }
    const { numbers, bigints } = store;
    if (type.kind === "enum") return { ...column, numbers, bigints };
    return { ...column, numbers, bigints, value: (row) => bigints?.[row] ?? numbers[row] ?? 0 };
  }

  /** Decodes the whole event, and takes one value of it. */
  #value(row: number, { scope, path }: Shape): FieldValue {
    const batch = this.#batch;
    if (batch === undefined) return 0;
    const place = batch.starts[this.rows[row] ?? 0] ?? 0;
    const scopes = this.#decoder.objects(this.#event)(batch.bytes, batch.view, place, batch.stored);
    let value: FieldValue | undefined = scopes[scope];
    for (const word of path) value = isFields(value) ? value[word] : undefined;
    return value ?? 0;
  }
}

/** Puts values into the arrays of columns. Arrays of numbers are kept one after the other; other arrays, and variants,
 * are decoded again when asked for. */
class ColumnSink implements Sink {
  readonly #walk: Walk;
  readonly #table: Table;
  /** Names of variables that hold an array, and the code that finds it. */
  readonly #arrays: Map<string, string>;
  readonly #scope: ScopeName;
  readonly #wants: (name: string) => boolean;
  readonly #path: string[] = [];
  /** Names of the array's elements and of the place of the next, inside one. */
  #elements: { readonly numbers: string; readonly at: string } | undefined;

  constructor(
    walk: Walk,
    table: Table,
    arrays: Map<string, string>,
    scope: ScopeName,
    wants: (name: string) => boolean,
  ) {
    this.#walk = walk;
    this.#table = table;
    this.#arrays = arrays;
    this.#scope = scope;
    this.#wants = wants;
  }

  wants({ hidden, name, type }: Member): boolean {
    if (hidden) return false;
    if (type.kind === "struct") return true;
    if (!this.#wants([...this.#path, name].join("."))) return false;
    const isArray = (type.kind === "array" || type.kind === "sequence") && !type.text;
    if (isArray ? isNumeric(type.element) : type.kind !== "variant") return true;
    this.#path.push(name);
    this.#add(type, "value");
    this.#path.pop();
    return false;
  }

  integer(type: IntegerType | EnumType, value: IntegerCode): void {
    if (this.#elements !== undefined) {
      this.#element(numberCode(value));
      return;
    }
    const store = this.#add(type, "number");
    this.#set(`${store}.numbers`, "row", numberCode(value));
    const integer = integerOf(type);
    if (integer === undefined || !isLarge(integer)) return;
    // As halves: making bigints would cost ten times the rest.
    let [low, high] = ["", ""];
    if (value.form === "halves") [low, high] = [value.low, value.high];
    else {
      const whole = this.#walk.name("w");
      this.#walk.line(`const ${whole} = ${bigintCode(value, integer.signed)};`);
      [low, high] = [`Number(${whole} & 0xffffffffn)`, `Number((${whole} >> 32n) & 0xffffffffn)`];
    }
    const halves = this.#variable(`${store}.halves`);
    this.#walk.line(`${halves}[row * 2] = ${low}; ${halves}[row * 2 + 1] = ${high};`);
  }

  real(type: FloatType, code: string): void {
    if (this.#elements !== undefined) this.#element(code);
    else this.#set(`${this.#add(type, "number")}.numbers`, "row", code);
  }

  text(type: StringType | ArrayType | SequenceType, start: string, end: string): void {
    const store = this.#add(type, "text");
    this.#set(`${store}.starts`, "row", start);
    this.#set(`${store}.ends`, "row", end);
  }

  beginMember({ name }: Member): void {
    this.#path.push(name);
  }

  endMember(): void {
    this.#path.pop();
  }

  beginArray(type: ArrayType | SequenceType, length: string): void {
    const store = this.#add(type, "elements");
    const numbers = this.#variable(`${store}.elements.numbers`);
    const at = this.#walk.name("m");
    this.#walk.line(`let ${at} = ${store}.elements.count;`);
    this.#walk.line(`if (${at} + ${length} > ${numbers}.length) {`);
    this.#walk.line(
      `${store}.elements.reserve(${at} + ${length}); ${numbers} = ${store}.elements.numbers; }`,
    );
    this.#set(`${store}.starts`, "row", at);
    this.#set(`${store}.ends`, "row", `${store}.elements.count = ${at} + ${length}`);
    this.#elements = { numbers, at };
  }

  endArray(): void {
    this.#elements = undefined;
  }

  beginStruct(): void {}
  endStruct(): void {}
  beginElement(): void {}
  endElement(): void {}
  beginVariant(): void {}
  beginOption(): void {}
  endOption(): void {}
  endVariant(): void {}

  #element(code: string): void {
    this.#walk.line(`${this.#elements?.numbers}[${this.#elements?.at}++] = ${code};`);
  }

  #set(array: string, index: string, value: string): void {
    this.#walk.line(`${this.#variable(array)}[${index}] = ${value};`);
  }

  /** A variable that holds an array from the begin of the scan on. */
  #variable(array: string): string {
    const name = this.#walk.name("a");
    this.#arrays.set(name, array);
    return name;
  }

  /** Adds a column; returns the name of its store. */
  #add(type: FieldType, form: Shape["form"]): string {
    return this.#walk.constant(this.#table.add({ scope: this.#scope, path: [...this.#path], type, form }));
  }
}

/** A larger array with what the smaller one holds. */
function larger<T extends Uint32Array | Float64Array>(array: T, before: T): T {
  array.set(before);
  return array;
}

function isNumeric(type: FieldType): boolean {
  return integerOf(type) !== undefined || type.kind === "float";
}

function isLarge({ size }: IntegerType): boolean {
  return size > 53;
}

function isFields(value: FieldValue | undefined): value is Fields {
  return typeof value === "object" && !Array.isArray(value);
}
