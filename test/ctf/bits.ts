/**
 * Writes bit fields the slow and obvious way, one bit at a time: the independent
 * side of the reader's tests. Runs in the test process.
 */

/** Bits of one packet, from its first. */
export class BitWriter {
  #bits: boolean[] = [];
  #order: boolean[] = [];

  /** Bits so far. */
  get length(): number {
    return this.#bits.length;
  }

  /** Adds zeros up to a multiple of `bits`. */
  align(bits: number): void {
    while (this.#bits.length % bits !== 0) this.#push(false, true);
  }

  /**
   * Adds an integer of `size` bits. Little-endian fields fill bytes from the lowest
   * bit, and give their own lowest first; big-endian ones are the other way round.
   */
  integer(value: bigint, size: number, littleEndian: boolean): void {
    for (let at = 0; at < size; at += 1) {
      const bit = littleEndian ? at : size - 1 - at;
      this.#push(((value >> BigInt(bit)) & 1n) === 1n, littleEndian);
    }
  }

  /** Adds whole bytes. */
  bytes(bytes: Uint8Array): void {
    for (const byte of bytes) this.integer(BigInt(byte), 8, true);
  }

  /** Overwrites a 64-bit little-endian integer at a bit, a multiple of 8. */
  patch(at: number, value: bigint): void {
    for (let bit = 0; bit < 64; bit += 1) this.#bits[at + bit] = ((value >> BigInt(bit)) & 1n) === 1n;
  }

  /** The bytes, the last one filled with zeros. */
  toBytes(): Uint8Array {
    const bytes = new Uint8Array(Math.ceil(this.#bits.length / 8));
    this.#bits.forEach((bit, at) => {
      if (!bit) return;
      // Where a bit of the stream lies in its byte depends on its field's byte order.
      const inByte = this.#order[at] === true ? at % 8 : 7 - (at % 8);
      const index = Math.floor(at / 8);
      bytes[index] = (bytes[index] ?? 0) | (1 << inByte);
    });
    return bytes;
  }

  #push(bit: boolean, littleEndian: boolean): void {
    this.#bits.push(bit);
    this.#order.push(littleEndian);
  }
}
