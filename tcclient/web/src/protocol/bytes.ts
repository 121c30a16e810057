/** Bytes: put together, taken apart, compared. All integers are unsigned and big-endian, as everywhere on the wire. */

export const NO_BYTES = new Uint8Array(0);

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Return the UTF-8 of a text. A lone surrogate becomes U+FFFD: check texts with `Text` before. */
export function utf8(text: string): Uint8Array {
  return encoder.encode(text);
}

/** Return the text that these bytes of UTF-8 are. Throws `TypeError` where they are none. */
export function textOf(data: Uint8Array): string {
  return decoder.decode(data);
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  let size = 0;
  for (const part of parts) size += part.length;
  const whole = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

export function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/** Return a number below, at or above 0, as `a` stands before, with or behind `b`. */
export function compare(a: Uint8Array, b: Uint8Array): number {
  const size = Math.min(a.length, b.length);
  for (let i = 0; i < size; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/** Return the hexadecimal digits, which also serve as the key of a `Map`. */
export function hex(data: Uint8Array): string {
  let text = "";
  for (const byte of data) text += byte.toString(16).padStart(2, "0");
  return text;
}

/** Return the bytes of hexadecimal digits. Throws `RangeError` for another text. */
export function fromHex(text: string): Uint8Array {
  if (!/^([0-9a-f]{2})*$/i.test(text)) throw new RangeError("not hexadecimal");
  return Uint8Array.from({ length: text.length / 2 }, (_, i) => Number.parseInt(text.slice(2 * i, 2 * i + 2), 16));
}

/** Return the data with zeros behind it, `size` bytes in all. */
export function zeroPadded(data: Uint8Array, size: number): Uint8Array {
  const padded = new Uint8Array(size);
  padded.set(data);
  return padded;
}

/** Writes integers and bytes in a row into a buffer of a given size. Throws `RangeError` for a number out of range. */
export class Writer {
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(size: number) {
    this.bytes = new Uint8Array(size);
    this.#view = new DataView(this.bytes.buffer);
  }

  u8(value: number): this {
    this.#view.setUint8(this.#take(1), inRange(value, 0xff));
    return this;
  }

  u16(value: number): this {
    this.#view.setUint16(this.#take(2), inRange(value, 0xffff));
    return this;
  }

  u32(value: number): this {
    this.#view.setUint32(this.#take(4), inRange(value, 0xffff_ffff));
    return this;
  }

  u48(value: number): this {
    inRange(value, 2 ** 48 - 1);
    return this.u16(Math.floor(value / 2 ** 32)).u32(value % 2 ** 32);
  }

  u64(value: bigint): this {
    if (value < 0n || value >= 1n << 64n) throw new RangeError(`${value} is no integer of 64 bits`);
    this.#view.setBigUint64(this.#take(8), value);
    return this;
  }

  put(data: Uint8Array): this {
    this.bytes.set(data, this.#take(data.length));
    return this;
  }

  #take(size: number): number {
    const at = this.#at;
    this.#at += size;
    return at;
  }
}

/** Reads integers and bytes in a row. Throws `RangeError` where the data ends too soon. */
export class Reader {
  readonly #data: Uint8Array;
  readonly #view: DataView;
  #at: number;

  constructor(data: Uint8Array, start = 0) {
    this.#data = data;
    this.#view = new DataView(data.buffer, data.byteOffset, data.byteLength);
    this.#at = start;
  }

  /** The place that is read next. */
  get at(): number {
    return this.#at;
  }

  /** Bytes that are left. */
  get left(): number {
    return this.#data.length - this.#at;
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2));
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4));
  }

  u48(): number {
    return this.u16() * 2 ** 32 + this.u32();
  }

  u64(): bigint {
    return this.#view.getBigUint64(this.#take(8));
  }

  i8(): number {
    return this.#view.getInt8(this.#take(1));
  }

  i16(): number {
    return this.#view.getInt16(this.#take(2));
  }

  i32(): number {
    return this.#view.getInt32(this.#take(4));
  }

  i64(): bigint {
    return this.#view.getBigInt64(this.#take(8));
  }

  f32(): number {
    return this.#view.getFloat32(this.#take(4));
  }

  f64(): number {
    return this.#view.getFloat64(this.#take(8));
  }

  /** Return a view of the next bytes. */
  take(size: number): Uint8Array {
    const at = this.#take(size);
    return this.#data.subarray(at, at + size);
  }

  #take(size: number): number {
    const at = this.#at;
    if (at + size > this.#data.length) throw new RangeError("the data ends too soon");
    this.#at += size;
    return at;
  }
}

function inRange(value: number, most: number): number {
  if (!Number.isInteger(value) || value < 0 || value > most) throw new RangeError(`${value} is not in 0..${most}`);
  return value;
}
