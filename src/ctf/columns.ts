// The columnar form of events, for work on many: the events of a batch that are of one class, each field an array. The
// arrays are filled while the batch is scanned, and used again for the next. Called by reports and exports.
import type { Arena } from "./arena.ts";
import type { ScopeName, StreamDecoder } from "./decoder.ts";
import type { Fields, FieldValue } from "./objects.ts";
import { text } from "./runtime.ts";
import type { BodyConsumer, BodySinks, EventFrame } from "./scan-code.ts";
import { BATCH_EVENTS, SCAN_STOP } from "./scan-state.ts";
import { EventScan } from "./scan.ts";
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
import { WasmSink } from "./wasm-walk.ts";
import { type Code, f64, get, i32, i64, type Local } from "./wasm.ts";

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
  readonly scan: EventScan;
  readonly #arena: Arena;
  readonly #selection: ColumnSelection;
  readonly #decoder: StreamDecoder;
  readonly #tables = new Map<EventClass, Table>();

  constructor(arena: Arena, decoder: StreamDecoder, selection: ColumnSelection) {
    this.#arena = arena;
    this.#decoder = decoder;
    this.#selection = selection;
    this.scan = new EventScan(arena, decoder, this);
  }

  /** The groups of the batch scanned last, in the order of the metadata. */
  *groups(batch: EventBatch): Generator<EventGroup, void, undefined> {
    for (const table of this.#tables.values()) {
      const group = table.group(batch);
      if (group.length > 0) yield group;
    }
  }

  /** Forgets the rows of the last batch. */
  clear(): void {
    for (const table of this.#tables.values()) table.clear();
  }

  wants(event: EventClass): boolean {
    return this.#selection.event?.(event) ?? true;
  }

  open(event: EventClass, frame: EventFrame): BodySinks {
    const table = new Table(this.#arena, this.#decoder, event);
    this.#tables.set(event, table);
    const { code, n } = frame;
    const row = code.local("i32");
    code.set(row, i32.load(i32.const(table.count)));
    return {
      sink: (scope) =>
        new ColumnSink(frame, table, row, scope, (path) => this.#wantsField(event, scope, path)),
      close: () => {
        code.add(i32.store(place(row, 4), get(n), table.rows));
        code.add(i32.store(i32.const(table.count), i32.add(get(row), i32.const(1))));
      },
    };
  }

  makeRoom(): void {
    for (const table of this.#tables.values()) table.makeRoom();
  }

  #wantsField(event: EventClass, scope: ScopeName, name: string): boolean {
    return this.#selection.field?.(event, scope, name) ?? true;
  }
}

/** Places in the block of a column of arrays: how many elements there are, may be, were wanted; where they are. */
const ELEMENTS = { count: 0, capacity: 4, wanted: 8, numbers: 12, size: 16 } as const;

/** Elements that a column of arrays has room for at first. */
const FIRST_ELEMENTS = 4096;

/** The addresses of one field's arrays; zero where it has none. */
interface Shape {
  readonly scope: ScopeName;
  readonly path: readonly string[];
  readonly type: FieldType;
  readonly form: "number" | "text" | "elements" | "value";
  readonly numbers: number;
  readonly bigints: number;
  readonly starts: number;
  readonly ends: number;
  /** Of a block: see {@link ELEMENTS}. */
  readonly elements: number;
}

/** The columns of one class: arrays with room for a batch, in an arena, which generated code writes to. */
class Table {
  /** Addresses of the number of rows, and of their numbers in the batch. */
  readonly count: number;
  readonly rows: number;
  readonly #arena: Arena;
  readonly #shapes: Shape[] = [];
  readonly #decoder: StreamDecoder;
  readonly #event: EventClass;
  #batch: EventBatch | undefined;
  /** The arrays, as long as the arena's memory is this one. */
  #made:
    | { readonly memory: ArrayBufferLike; readonly rows: Uint32Array; readonly columns: readonly Column[] }
    | undefined;

  constructor(arena: Arena, decoder: StreamDecoder, event: EventClass) {
    this.#arena = arena;
    this.#decoder = decoder;
    this.#event = event;
    this.count = arena.allocate(4);
    this.rows = arena.allocate(BATCH_EVENTS * 4);
    this.clear();
  }

  /** Adds a field. */
  add(field: Pick<Shape, "scope" | "path" | "type" | "form">): Shape {
    const integer = integerOf(field.type);
    const array = (bytes: number, isThere: boolean): number =>
      isThere ? this.#arena.allocate(BATCH_EVENTS * bytes) : 0;
    const isRange = field.form === "text" || field.form === "elements";
    const shape = {
      ...field,
      numbers: array(8, field.form === "number"),
      bigints: array(8, field.form === "number" && integer !== undefined && isLarge(integer)),
      starts: array(4, isRange),
      ends: array(4, isRange),
      elements: field.form === "elements" ? this.#arena.allocate(ELEMENTS.size) : 0,
    };
    if (field.form === "elements") this.#allocateElements(shape, FIRST_ELEMENTS);
    this.#shapes.push(shape);
    return shape;
  }

  clear(): void {
    const { view } = this.#arena;
    view.setUint32(this.count, 0, true);
    for (const { elements } of this.#shapes) if (elements > 0) view.setUint32(elements, 0, true);
  }

  /** Makes the room that was wanted for elements. */
  makeRoom(): void {
    for (const shape of this.#shapes) {
      if (shape.form !== "elements") continue;
      const { view } = this.#arena;
      const capacity = view.getUint32(shape.elements + ELEMENTS.capacity, true);
      const wanted = view.getUint32(shape.elements + ELEMENTS.wanted, true);
      if (wanted <= capacity) continue;
      this.#arena.release(view.getUint32(shape.elements + ELEMENTS.numbers, true), capacity * 8);
      this.#allocateElements(shape, 2 ** Math.ceil(Math.log2(wanted)));
    }
  }

  group(batch: EventBatch): EventGroup {
    this.#batch = batch;
    const { buffer } = this.#arena.bytes;
    if (this.#made?.memory !== buffer) {
      const rows = new Uint32Array(buffer, this.rows, BATCH_EVENTS);
      this.#made = { memory: buffer, rows, columns: this.#shapes.map((shape) => this.#column(shape)) };
    }
    const { rows, columns } = this.#made;
    const length = this.#arena.view.getUint32(this.count, true);
    return { batch, event: this.#event, length, rows, columns };
  }

  #allocateElements({ elements }: Shape, capacity: number): void {
    const numbers = this.#arena.allocate(capacity * 8);
    const { view } = this.#arena;
    view.setUint32(elements + ELEMENTS.count, 0, true);
    view.setUint32(elements + ELEMENTS.capacity, capacity, true);
    view.setUint32(elements + ELEMENTS.wanted, 0, true);
    view.setUint32(elements + ELEMENTS.numbers, numbers, true);
    // The column's array is another one.
    this.#made = undefined;
  }

  #column(shape: Shape): Column {
    const { scope, path, type, form } = shape;
    const { view } = this.#arena;
    const { buffer } = this.#arena.bytes;
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
    if (form === "number") {
      const numbers = new Float64Array(buffer, shape.numbers, BATCH_EVENTS);
      const Bigints = integerOf(type)?.signed === true ? BigInt64Array : BigUint64Array;
      const bigints = shape.bigints === 0 ? undefined : new Bigints(buffer, shape.bigints, BATCH_EVENTS);
      if (type.kind === "enum") return { ...column, numbers, bigints };
      return { ...column, numbers, bigints, value: (row) => bigints?.[row] ?? numbers[row] ?? 0 };
    }
    const starts = new Uint32Array(buffer, shape.starts, BATCH_EVENTS);
    const ends = new Uint32Array(buffer, shape.ends, BATCH_EVENTS);
    if (form === "elements") {
      const capacity = view.getUint32(shape.elements + ELEMENTS.capacity, true);
      const numbers = view.getUint32(shape.elements + ELEMENTS.numbers, true);
      return { ...column, starts, ends, numbers: new Float64Array(buffer, numbers, capacity) };
    }
    const nothing = new Uint8Array(0);
    return {
      ...column,
      starts,
      ends,
      value: (row) => text(this.#batch?.bytes ?? nothing, starts[row] ?? 0, ends[row] ?? 0),
    };
  }

  /** Decodes the whole event, and takes one value of it. */
  #value(row: number, { scope, path }: Shape): FieldValue {
    const batch = this.#batch;
    if (batch === undefined) return 0;
    const place = batch.starts[this.#made?.rows[row] ?? 0] ?? 0;
    const scopes = this.#decoder.objects(this.#event)(batch.bytes, batch.view, place, batch.stored);
    let value: FieldValue | undefined = scopes[scope];
    for (const word of path) value = isFields(value) ? value[word] : undefined;
    return value ?? 0;
  }
}

/** Puts values into the arrays of columns. Arrays of numbers are kept one after the other; other arrays, and variants,
 * are decoded again when asked for. */
class ColumnSink extends WasmSink {
  readonly #frame: EventFrame;
  readonly #table: Table;
  readonly #row: Local;
  readonly #scope: ScopeName;
  readonly #wants: (name: string) => boolean;
  readonly #path: string[] = [];
  /** The address of the array's next element, inside one. */
  #element: Local | undefined;

  constructor(
    frame: EventFrame,
    table: Table,
    row: Local,
    scope: ScopeName,
    wants: (name: string) => boolean,
  ) {
    super();
    this.#frame = frame;
    this.#table = table;
    this.#row = row;
    this.#scope = scope;
    this.#wants = wants;
  }

  override wants({ hidden, name, type }: Member): boolean {
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

  override integer(type: IntegerType | EnumType, value: Local): void {
    const integer = integerOf(type);
    // Only where it is needed: unsigned integers of 64 bits are dearer to convert.
    const isWhole = integer?.signed === false && integer.size === 64;
    const number = (isWhole ? f64.fromU : f64.fromS)(get(value));
    if (this.#element !== undefined) {
      this.#putElement(number);
      return;
    }
    const { numbers, bigints } = this.#add(type, "number");
    const { code } = this.#frame;
    code.add(f64.store(place(this.#row, 8), number, numbers));
    if (bigints > 0) code.add(i64.store(place(this.#row, 8), get(value), bigints));
  }

  override real(type: FloatType, value: Code): void {
    if (this.#element !== undefined) this.#putElement(value);
    else this.#frame.code.add(f64.store(place(this.#row, 8), value, this.#add(type, "number").numbers));
  }

  override text(type: StringType | ArrayType | SequenceType, start: Local, end: Local): void {
    const { starts, ends } = this.#add(type, "text");
    const { code, base } = this.#frame;
    code.add(i32.store(place(this.#row, 4), i32.sub(get(start), get(base)), starts));
    code.add(i32.store(place(this.#row, 4), i32.sub(get(end), get(base)), ends));
  }

  override beginMember({ name }: Member): void {
    this.#path.push(name);
  }

  override endMember(): void {
    this.#path.pop();
  }

  override beginArray(type: ArrayType | SequenceType, length: Local): void {
    const { elements, starts, ends } = this.#add(type, "elements");
    const { code, fail } = this.#frame;
    const at = code.local("i32");
    const next = code.local("i32");
    code.set(at, i32.load(i32.const(elements), ELEMENTS.count));
    code.set(next, i32.add(get(at), get(length)));
    code.if(i32.gtU(get(next), i32.load(i32.const(elements), ELEMENTS.capacity)));
    code.add(i32.store(i32.const(elements), get(next), ELEMENTS.wanted));
    fail(SCAN_STOP.room);
    code.end();
    code.add(i32.store(place(this.#row, 4), get(at), starts));
    code.add(i32.store(place(this.#row, 4), get(next), ends));
    code.add(i32.store(i32.const(elements), get(next), ELEMENTS.count));
    const element = code.local("i32");
    const offset = i32.shl(get(at), i32.const(3));
    code.set(element, i32.add(i32.load(i32.const(elements), ELEMENTS.numbers), offset));
    this.#element = element;
  }

  override endArray(): void {
    this.#element = undefined;
  }

  #putElement(value: Code): void {
    const element = this.#element;
    if (element === undefined) return;
    const { code } = this.#frame;
    code.add(f64.store(get(element), value));
    code.set(element, i32.add(get(element), i32.const(8)));
  }

  /** Adds a column. */
  #add(type: FieldType, form: Shape["form"]): Shape {
    return this.#table.add({ scope: this.#scope, path: [...this.#path], type, form });
  }
}

/** A row's place after an array's address. */
function place(row: Local, bytes: number): Code {
  return i32.mul(get(row), i32.const(bytes));
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
