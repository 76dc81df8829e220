// Writes WebAssembly: expressions and statements as bytes, functions, modules (WebAssembly core specification 2.0, chapter
// 5). What wasm-walk.ts and its sinks generate is put together here. Only what they need is there.

/** An expression's instructions, or a statement's. */
export type Code = readonly number[];

/** A type of values. */
export type ValueType = "i32" | "i64" | "f64";

/** A variable of a function: its index among the parameters and locals. */
export interface Local {
  readonly index: number;
  readonly type: ValueType;
}

const VALUE_TYPES: Readonly<Record<ValueType, number>> = { i32: 0x7f, i64: 0x7e, f64: 0x7c };

type Unary = (operand: Code) => Code;
type Binary = (left: Code, right: Code) => Code;
type Load = (address: Code, offset?: number) => Code;
type Store = (address: Code, value: Code, offset?: number) => Code;

const unary =
  (opcode: number): Unary =>
  (operand) => [...operand, opcode];
const binary =
  (opcode: number): Binary =>
  (left, right) => [...left, ...right, opcode];
// The zero says that nothing is known of the address's alignment.
const load =
  (opcode: number): Load =>
  (address, offset = 0) => [...address, opcode, 0, ...unsigned(offset)];
const store =
  (opcode: number): Store =>
  (address, value, offset = 0) => [...address, ...value, opcode, 0, ...unsigned(offset)];

/** Instructions on 32-bit integers. */
export const i32 = {
  const: (value: number): Code => [0x41, ...signed(BigInt(value | 0))],
  load: load(0x28),
  load8: load(0x2d),
  store: store(0x36),
  eqz: unary(0x45),
  eq: binary(0x46),
  ltU: binary(0x49),
  gtU: binary(0x4b),
  add: binary(0x6a),
  sub: binary(0x6b),
  mul: binary(0x6c),
  and: binary(0x71),
  or: binary(0x72),
  shl: binary(0x74),
  shrU: binary(0x76),
  rotl: binary(0x77),
  /** The lower half. */
  wrap: unary(0xa7),
} as const;

/** Instructions on 64-bit integers. */
export const i64 = {
  const: (value: bigint | number): Code => [0x42, ...signed(BigInt.asIntN(64, BigInt(value)))],
  load: load(0x29),
  load8S: load(0x30),
  load8U: load(0x31),
  load16S: load(0x32),
  load16U: load(0x33),
  load32S: load(0x34),
  load32U: load(0x35),
  store: store(0x37),
  eqz: unary(0x50),
  eq: binary(0x51),
  ne: binary(0x52),
  ltS: binary(0x53),
  ltU: binary(0x54),
  gtS: binary(0x55),
  gtU: binary(0x56),
  leS: binary(0x57),
  leU: binary(0x58),
  geS: binary(0x59),
  geU: binary(0x5a),
  ctz: unary(0x7a),
  add: binary(0x7c),
  sub: binary(0x7d),
  mul: binary(0x7e),
  and: binary(0x83),
  or: binary(0x84),
  xor: binary(0x85),
  shl: binary(0x86),
  shrS: binary(0x87),
  shrU: binary(0x88),
  extendS: unary(0xac),
  extendU: unary(0xad),
  fromReal: unary(0xbd),
} as const;

/** Instructions on doubles. */
export const f64 = {
  const: (value: number): Code => [0x44, ...new Uint8Array(Float64Array.of(value).buffer)],
  load: load(0x2b),
  /** A float of 32 bits, as a double. */
  load32: (address: Code, offset = 0): Code => [...load(0x2a)(address, offset), 0xbb],
  store: store(0x39),
  le: binary(0x65),
  abs: unary(0x99),
  floor: unary(0x9c),
  add: binary(0xa0),
  sub: binary(0xa1),
  mul: binary(0xa2),
  div: binary(0xa3),
  fromS: unary(0xb9),
  fromU: unary(0xba),
  /** The double, or float of 32 bits, that has these bits. */
  ofBits: unary(0xbf),
  ofBits32: (bits: Code): Code => [...bits, 0xbe, 0xbb],
} as const;

/** A variable's value. */
export function get({ index }: Local): Code {
  return [0x20, ...unsigned(index)];
}

/** Sets a variable, and is its value. */
export function tee({ index }: Local, value: Code): Code {
  return [...value, 0x22, ...unsigned(index)];
}

/** One value or the other, by a condition. */
export function choose(type: ValueType, condition: Code, yes: Code, no: Code): Code {
  return [...condition, 0x04, VALUE_TYPES[type], ...yes, 0x05, ...no, 0x0b];
}

/** Calls a function of the module. */
export function call(index: number, ...operands: readonly Code[]): Code {
  return [...operands.flat(), 0x10, ...unsigned(index)];
}

/** Calls the function at a place of the table; all there have the type of the module's first function. */
export function callTable(place: Code, ...operands: readonly Code[]): Code {
  return [...operands.flat(), ...place, 0x11, 0, 0];
}

/** Whether a place of the table is empty. */
export function isEmptyPlace(place: Code): Code {
  return [...place, 0x25, 0, 0xd1];
}

/** A place in the nesting of a function's blocks, to jump to. */
export type Label = number;

/** One function being written. */
export class FunctionCode {
  readonly parameters: readonly Local[];
  readonly results: readonly ValueType[];
  readonly #locals: ValueType[] = [];
  readonly #code: number[] = [];
  #depth = 0;

  constructor(parameters: readonly ValueType[], results: readonly ValueType[]) {
    this.parameters = parameters.map((type, index) => ({ index, type }));
    this.results = results;
  }

  /** The parameter at an index, which there must be. */
  parameter(index: number): Local {
    const parameter = this.parameters[index];
    if (parameter === undefined) throw new RangeError(`no parameter ${index}`);
    return parameter;
  }

  /** A new variable, zero at first. */
  local(type: ValueType): Local {
    this.#locals.push(type);
    return { index: this.parameters.length + this.#locals.length - 1, type };
  }

  /** Adds statements. */
  add(...statements: readonly Code[]): void {
    for (const statement of statements) for (const byte of statement) this.#code.push(byte);
  }

  set({ index }: Local, value: Code): void {
    this.add(value, [0x21, ...unsigned(index)]);
  }

  /** Begins a block; a jump to it goes to its end. */
  block(): Label {
    return this.#open([0x02, 0x40]);
  }

  /** Begins a loop; a jump to it goes to its begin. */
  loop(): Label {
    return this.#open([0x03, 0x40]);
  }

  if(condition: Code): Label {
    this.add(condition);
    return this.#open([0x04, 0x40]);
  }

  else(): void {
    this.add([0x05]);
  }

  /** Ends the innermost block, loop or if. */
  end(): void {
    this.#depth -= 1;
    this.add([0x0b]);
  }

  jump(label: Label): void {
    this.add([0x0c, ...unsigned(this.#depth - label)]);
  }

  jumpIf(condition: Code, label: Label): void {
    this.add(condition, [0x0d, ...unsigned(this.#depth - label)]);
  }

  /** Jumps to the label at the place that the value says, to the last one when there is none. */
  jumpTable(value: Code, labels: readonly Label[]): void {
    const depths = labels.flatMap((label) => unsigned(this.#depth - label));
    this.add(value, [0x0e, ...unsigned(labels.length - 1), ...depths]);
  }

  return(value: Code = []): void {
    this.add(value, [0x0f]);
  }

  /** The function's entry in the code section. */
  encode(): number[] {
    const locals = this.#locals.flatMap((type) => [1, VALUE_TYPES[type]]);
    return sized([...unsigned(this.#locals.length), ...locals, ...this.#code, 0x0b]);
  }

  #open(code: Code): Label {
    this.add(code);
    this.#depth += 1;
    return this.#depth;
  }
}

/**
 * Compiles functions to a module that imports a memory, `env.memory`, and a table of functions, `env.table`; it exports
 * its functions by the names given.
 */
export function compileModule(
  functions: readonly { readonly name: string; readonly code: FunctionCode }[],
  maximumPages: number,
): WebAssembly.Module {
  const types = functions.map(({ code: { parameters, results } }) => [
    0x60,
    ...list(parameters.map(({ type }) => [VALUE_TYPES[type]])),
    ...list(results.map((type) => [VALUE_TYPES[type]])),
  ]);
  const imports = [
    [...name("env"), ...name("memory"), 0x02, 0x01, 1, ...unsigned(maximumPages)],
    [...name("env"), ...name("table"), 0x01, 0x70, 0x00, 0],
  ];
  const bytes = [
    0x00,
    0x61,
    0x73,
    0x6d,
    1,
    0,
    0,
    0, // the magic, and the version
    ...section(1, list(types)),
    ...section(2, list(imports)),
    ...section(3, list(functions.map((_function, index) => unsigned(index)))),
    ...section(7, list(functions.map((one, index) => [...name(one.name), 0x00, ...unsigned(index)]))),
  ];
  const code = section(10, list(functions.map((one) => one.code.encode())));
  const module = new Uint8Array(bytes.length + code.length);
  module.set(bytes);
  module.set(code, bytes.length);
  return new WebAssembly.Module(module);
}

function section(id: number, content: readonly number[]): number[] {
  return [id].concat(sized(content));
}

function sized(content: readonly number[]): number[] {
  return unsigned(content.length).concat(content);
}

function list(items: readonly (readonly number[])[]): number[] {
  return unsigned(items.length).concat(...items);
}

function name(text: string): number[] {
  return sized([...new TextEncoder().encode(text)]);
}

/** LEB128. */
function unsigned(value: number): number[] {
  const bytes: number[] = [];
  for (; value >= 0x80; value = Math.floor(value / 0x80)) bytes.push((value % 0x80) + 0x80);
  bytes.push(value);
  return bytes;
}

function signed(value: bigint): number[] {
  const bytes: number[] = [];
  for (;;) {
    const byte = Number(value & 0x7fn);
    value >>= 7n;
    if ((value === 0n && byte < 0x40) || (value === -1n && byte >= 0x40)) {
      bytes.push(byte);
      return bytes;
    }
    bytes.push(byte + 0x80);
  }
}
