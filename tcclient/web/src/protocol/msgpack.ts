/**
 * The subset of msgpack of control messages (PROTOCOL.md, section 3): nil, bool, integers of 64 bits, finite floats, str,
 * bin, arrays, and maps with distinct str keys, all within the limits below.
 *
 * Readers for general use take a float for an integer and the last one of two equal keys, which the protocol refuses.
 */

import { concat, Reader, textOf, utf8, Writer } from "./bytes.js";

/** The most bytes of a packed message: a frame of 65,535 less the tag of 16 and the type byte. */
export const MAX_MESSAGE = 65518;
/** The most arrays and maps inside each other. */
export const MAX_DEPTH = 8;
/** The most pairs of a map. */
export const MAX_MAP_LEN = 64;
/** The most values of a message. Keys count, and values inside others. */
export const MAX_VALUES = 16_384;
/** The most elements of an array. */
export const MAX_ARRAY_LEN = 4096;
/** The most bytes of a str. */
export const MAX_STR_LEN = 16_384;
/** The most bytes of a bin. */
export const MAX_BIN_LEN = 32_768;

/** A float, which is kept apart from integers: no field of version 1 is one. */
export class Float {
  constructor(readonly value: number) {}
}

/** A value between bytes and messages. An integer is a `number` where that is exact, else a `bigint`. */
export type Value = null | boolean | number | bigint | Float | string | Uint8Array | readonly Value[] | ValueMap;
export type ValueMap = ReadonlyMap<string, Value>;

/** Return the value of exactly one msgpack object. Throws `RangeError` or `TypeError` for all else. */
export function unpack(data: Uint8Array): Value {
  if (data.length > MAX_MESSAGE) throw new RangeError(`message of ${data.length} bytes`);
  const unpacker = new Unpacker(data);
  const value = unpacker.value(0);
  unpacker.end();
  return value;
}

class Unpacker {
  readonly #in: Reader;
  #values = 0;

  constructor(data: Uint8Array) {
    this.#in = new Reader(data);
  }

  end(): void {
    if (this.#in.left > 0) throw new RangeError("bytes behind the message");
  }

  /** Read a value that stands inside `depth` arrays and maps. */
  value(depth: number): Value {
    const first = this.#in.u8();
    if (first < 0x80) return first;
    if (first < 0x90) return this.#map(first & 0x0f, depth);
    if (first < 0xa0) return this.#array(first & 0x0f, depth);
    if (first < 0xc0) return this.#str(first & 0x1f);
    if (first >= 0xe0) return first - 0x100;
    return first < 0xcc ? this.#short(first) : this.#wide(first, depth);
  }

  #short(first: number): Value {
    switch (first) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xc4:
        return this.#bin(this.#in.u8());
      case 0xc5:
        return this.#bin(this.#in.u16());
      case 0xc6:
        return this.#bin(this.#in.u32());
      case 0xca:
        return finite(this.#in.f32());
      case 0xcb:
        return finite(this.#in.f64());
      default:
        throw new RangeError("an extension, or a byte that msgpack does not use");
    }
  }

  #wide(first: number, depth: number): Value {
    switch (first) {
      case 0xcc:
        return this.#in.u8();
      case 0xcd:
        return this.#in.u16();
      case 0xce:
        return this.#in.u32();
      case 0xcf:
        return exact(this.#in.u64());
      case 0xd0:
        return this.#in.i8();
      case 0xd1:
        return this.#in.i16();
      case 0xd2:
        return this.#in.i32();
      case 0xd3:
        return exact(this.#in.i64());
      default:
        return this.#long(first, depth);
    }
  }

  #long(first: number, depth: number): Value {
    switch (first) {
      case 0xd9:
        return this.#str(this.#in.u8());
      case 0xda:
        return this.#str(this.#in.u16());
      case 0xdb:
        return this.#str(this.#in.u32());
      case 0xdc:
        return this.#array(this.#in.u16(), depth);
      case 0xdd:
        return this.#array(this.#in.u32(), depth);
      case 0xde:
        return this.#map(this.#in.u16(), depth);
      case 0xdf:
        return this.#map(this.#in.u32(), depth);
      default:
        throw new RangeError("an extension");
    }
  }

  #str(size: number): string {
    bounded("str", size, MAX_STR_LEN);
    return textOf(this.#in.take(size));
  }

  /** The bytes are copied: what arrived is not kept alive by a key in it. */
  #bin(size: number): Uint8Array {
    bounded("bin", size, MAX_BIN_LEN);
    return this.#in.take(size).slice();
  }

  #array(size: number, depth: number): Value[] {
    bounded("array", size, MAX_ARRAY_LEN);
    this.#enter(size, depth);
    const values: Value[] = [];
    for (let i = 0; i < size; i++) values.push(this.value(depth + 1));
    return values;
  }

  #map(size: number, depth: number): ValueMap {
    bounded("map", size, MAX_MAP_LEN);
    this.#enter(2 * size, depth);
    const map = new Map<string, Value>();
    for (let i = 0; i < size; i++) {
      const key = this.value(depth + 1);
      if (typeof key !== "string") throw new RangeError("a key is not a str");
      // With two equal keys one reader takes the first and another the last: a classic way past a check.
      if (map.has(key)) throw new RangeError("a key occurs twice");
      map.set(key, this.value(depth + 1));
    }
    return map;
  }

  #enter(values: number, depth: number): void {
    if (depth >= MAX_DEPTH) throw new RangeError("nested too deeply");
    this.#values += values;
    if (this.#values > MAX_VALUES) throw new RangeError("too many values");
  }
}

/**
 * Return the msgpack form of a value, as short as msgpack allows. Throws `RangeError` for what no field holds, and for
 * sizes and depths that `unpack` refuses.
 */
export function pack(value: Value): Uint8Array {
  const parts: Uint8Array[] = [];
  packInto(value, parts, 0);
  const data = concat(...parts);
  if (data.length > MAX_MESSAGE) throw new RangeError(`message of ${data.length} bytes`);
  return data;
}

function packInto(value: Value, parts: Uint8Array[], depth: number): void {
  if (value === null) parts.push(Uint8Array.of(0xc0));
  else if (typeof value === "boolean") parts.push(Uint8Array.of(value ? 0xc3 : 0xc2));
  else if (typeof value === "number" || typeof value === "bigint") parts.push(packInteger(value));
  else if (typeof value === "string") {
    const data = utf8(value);
    bounded("str", data.length, MAX_STR_LEN);
    parts.push(packSize(data.length, data.length < 32 ? 0xa0 : 0, 0xd9), data);
  } else if (value instanceof Uint8Array) {
    bounded("bin", value.length, MAX_BIN_LEN);
    parts.push(packSize(value.length, 0, 0xc4), value);
  } else if (value instanceof Float) {
    throw new RangeError("no field is a float");
  } else {
    if (depth >= MAX_DEPTH) throw new RangeError("nested too deeply");
    if (value instanceof Map) packMap(value, parts, depth);
    else packArray(value as readonly Value[], parts, depth);
  }
}

function packMap(map: ValueMap, parts: Uint8Array[], depth: number): void {
  bounded("map", map.size, MAX_MAP_LEN);
  parts.push(map.size < 16 ? Uint8Array.of(0x80 | map.size) : new Writer(3).u8(0xde).u16(map.size).bytes);
  for (const [key, value] of map) {
    packInto(key, parts, depth + 1);
    packInto(value, parts, depth + 1);
  }
}

function packArray(values: readonly Value[], parts: Uint8Array[], depth: number): void {
  bounded("array", values.length, MAX_ARRAY_LEN);
  const size = values.length;
  parts.push(size < 16 ? Uint8Array.of(0x90 | size) : new Writer(3).u8(0xdc).u16(size).bytes);
  for (const value of values) packInto(value, parts, depth + 1);
}

/** Return the head of a str or bin: its size in the short form where there is one, else in as few bytes as it takes. */
function packSize(size: number, short: number, long: number): Uint8Array {
  if (short) return Uint8Array.of(short | size);
  if (size < 0x100) return Uint8Array.of(long, size);
  return new Writer(3).u8(long + 1).u16(size).bytes;
}

function packInteger(value: number | bigint): Uint8Array {
  if (value < 0) throw new RangeError("no field is negative");
  if (value < 0x80) return Uint8Array.of(Number(value));
  if (value < 0x100) return Uint8Array.of(0xcc, Number(value));
  if (value < 0x1_0000) return new Writer(3).u8(0xcd).u16(Number(value)).bytes;
  if (value < 0x1_0000_0000) return new Writer(5).u8(0xce).u32(Number(value)).bytes;
  return new Writer(9).u8(0xcf).u64(BigInt(value)).bytes;
}

function bounded(what: string, size: number, most: number): void {
  if (size > most) throw new RangeError(`a ${what} of more than ${most}`);
}

function finite(value: number): Float {
  if (!Number.isFinite(value)) throw new RangeError("a float is not finite");
  return new Float(value);
}

function exact(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
