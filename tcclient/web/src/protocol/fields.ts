/**
 * Fields of control messages: what each may hold, and its form on the wire.
 *
 * `Field` checks and converts one value in both directions. `record` puts fields together; names in camel case here have
 * underscores on the wire. Unknown keys are ignored, so that the protocol can grow.
 */

import { MAX_BIN_LEN, type Value, type ValueMap } from "./msgpack.js";
import { utf8 } from "./bytes.js";

/** A value does not fit its field. `path` says where, such as `members[3].name`. */
export class Invalid extends RangeError {
  override readonly name = "Invalid";

  constructor(
    readonly reason: string,
    readonly path = "",
  ) {
    super(path ? `${path}: ${reason}` : reason);
  }

  /** Return the same error with `step`, a field name or an index in brackets, in front of its path. */
  inside(step: string): Invalid {
    const dot = this.path && !this.path.startsWith("[") ? "." : "";
    return new Invalid(this.reason, step + dot + this.path);
  }
}

/** How one field is checked, decoded and encoded. Both directions throw `Invalid`. */
export interface Field<T> {
  /** The type as PROTOCOL.md names it, such as `u32`. */
  readonly text: string;
  decode(value: Value): T;
  encode(value: T): Value;
}

/** A field that may be absent or nil, which is `undefined` here. */
export interface Optional<T> extends Field<T | undefined> {
  readonly presence: "optional";
}

/** A field that has a default where it is absent. */
export interface Defaulted<T> extends Field<T> {
  readonly presence: "default";
  readonly fallback: T;
}

/** The content of a field. */
export type Content<F> = F extends Field<infer T> ? T : never;
export type Shape = Readonly<Record<string, Field<never> | Field<unknown>>>;
/** A record as it is read: every field is there. */
export type Whole<S> = { readonly [K in keyof S]: Content<S[K]> };
type LeaveOut<S> = {
  [K in keyof S]: S[K] extends { readonly presence: "optional" | "default" } ? K : never;
}[keyof S];
/** A record as it is made: fields with a default and optional ones may be left out. */
export type Given<S> = Omit<Whole<S>, LeaveOut<S>> & Partial<Pick<Whole<S>, LeaveOut<S>>>;

export function optional<T>(field: Field<T>): Optional<T> {
  return {
    presence: "optional",
    text: field.text,
    decode: (value) => (value === null ? undefined : field.decode(value)),
    encode: (value) => (value === undefined ? null : field.encode(value)),
  };
}

export function withDefault<T>(field: Field<T>, fallback: T): Defaulted<T> {
  return { ...field, presence: "default", fallback };
}

/** A record of fields, which is a map on the wire. */
export interface Record_<S extends Shape> extends Field<Whole<S>> {
  /** Return the whole record, with defaults in place of what is left out. */
  make(given: Given<S>): Whole<S>;
  decode(value: Value): Whole<S>;
  encode(value: Whole<S>): ValueMap;
}

export function record<S extends Shape>(name: string, shape: S): Record_<S> {
  const fields = Object.entries(shape).map(([key, field]) => fieldRow(key, field as Field<unknown>));
  return {
    text: `map ${name}`,
    make(given) {
      const values = given as Readonly<Record<string, unknown>>;
      return Object.fromEntries(fields.map(({ key, fallback }) => [key, values[key] ?? fallback])) as Whole<S>;
    },
    decode(value) {
      if (!(value instanceof Map)) throw new Invalid(`not map ${name}`);
      return Object.fromEntries(fields.map((row) => [row.key, decodeField(row, value as ValueMap)])) as Whole<S>;
    },
    encode(value) {
      const values = value as Readonly<Record<string, unknown>>;
      const map = new Map<string, Value>();
      for (const { key, wire, field, required } of fields) {
        const content = values[key];
        if (content === undefined && !required) continue;
        map.set(
          wire,
          within(wire, () => field.encode(content)),
        );
      }
      return map;
    },
  };
}

interface FieldRow {
  readonly key: string;
  /** The name on the wire. */
  readonly wire: string;
  readonly field: Field<unknown>;
  readonly required: boolean;
  readonly fallback: unknown;
}

function fieldRow(key: string, field: Field<unknown>): FieldRow {
  const { presence, fallback } = field as Partial<Defaulted<unknown>>;
  const wire = key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  return { key, wire, field, required: presence === undefined, fallback };
}

function decodeField({ wire, field, required, fallback }: FieldRow, map: ValueMap): unknown {
  const value = map.get(wire);
  if (value === undefined) {
    if (required) throw new Invalid("missing", wire);
    return fallback;
  }
  return within(wire, () => field.decode(value));
}

function within<T>(step: string, convert: () => T): T {
  try {
    return convert();
  } catch (error) {
    throw error instanceof Invalid ? error.inside(step) : error;
  }
}

/** Make a field whose content is the same in the message and on the wire. */
function plain<T extends Value>(text: string, fits: (value: unknown) => value is T): Field<T> {
  const check = (value: unknown): T => {
    if (!fits(value)) throw new Invalid(`not ${text}`);
    return value;
  };
  return { text, decode: check, encode: check };
}

export const BOOL = plain("bool", (value) => typeof value === "boolean");

/** An integer from `low` to `high`, both included and exact as a `number`. */
export function range(low: number, high: number, text = `int ${low}..${high}`): Field<number> {
  return plain(
    text,
    (value): value is number => Number.isInteger(value) && Number(value) >= low && Number(value) <= high,
  );
}

export const U8 = range(0, 0xff, "u8");
export const U16 = range(0, 0xffff, "u16");
export const U32 = range(0, 0xffff_ffff, "u32");
export const U48 = range(0, 2 ** 48 - 1);

/** An integer of 64 bits, exact above 2^53 too: some are signed, and others sent back. */
export const U64: Field<bigint> = {
  text: "u64",
  decode(value) {
    if (typeof value !== "number" && typeof value !== "bigint") throw new Invalid("not u64");
    return this.encode(BigInt(value)) as bigint;
  },
  encode(value) {
    if (typeof value !== "bigint" || value < 0n || value >= 1n << 64n) throw new Invalid("not u64");
    return value;
  },
};

/** A bin of exactly `size` bytes. */
export function exactly(size: number): Field<Uint8Array> {
  return plain(`bin ${size}`, (value): value is Uint8Array => value instanceof Uint8Array && value.length === size);
}

/** A bin of at most `size` bytes. */
export function upTo(size: number): Field<Uint8Array> {
  if (size > MAX_BIN_LEN) throw new RangeError(`at most ${MAX_BIN_LEN} bytes fit into a message`);
  return plain(`bin ≤ ${size}`, (value): value is Uint8Array => value instanceof Uint8Array && value.length <= size);
}

// C0, DEL, C1, lone surrogates, and the two separators that many programs take for line ends.
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\ud800-\udfff\u2028\u2029]/u;
const UNPRINTABLE_IN_LINES = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\ud800-\udfff\u2028\u2029]/u;

export interface TextField extends Field<string> {
  /** Tell whether length and characters are allowed. */
  fits(value: unknown): value is string;
}

/** A str of at most `maxChars` code points and `maxBytes` bytes of UTF-8, without control characters. */
export function text(maxChars: number, maxBytes: number, multiline = false): TextField {
  const refused = multiline ? UNPRINTABLE_IN_LINES : UNPRINTABLE;
  const fits = (value: unknown): value is string =>
    typeof value === "string" &&
    value.length <= 2 * maxChars &&
    [...value].length <= maxChars &&
    !refused.test(value) &&
    utf8(value).length <= maxBytes;
  const name = `str ≤ ${maxChars} chars, ${maxBytes} bytes${multiline ? ", multiline" : ""}`;
  return { ...plain(name, fits), fits };
}

/** At most `most` elements. */
export function array<T>(element: Field<T>, most: number): Field<readonly T[]> {
  const name = `array ≤ ${most} of ${element.text}`;
  const each = <A, B>(values: readonly A[], convert: (value: A) => B): B[] => {
    if (!Array.isArray(values) || values.length > most) throw new Invalid(`not ${name}`);
    return values.map((value, i) => within(`[${i}]`, () => convert(value)));
  };
  return {
    text: name,
    decode: (value) => each(value as readonly Value[], (one) => element.decode(one)),
    encode: (values) => each(values, (one) => element.encode(one)),
  };
}

/** A str that is one of `words`; another one is read as `unknown`, where that is among them. */
export function oneOf<const W extends readonly string[]>(name: string, words: W): Field<W[number]> {
  const unknown = words.find((word) => word === "unknown");
  return converted(name, (word) => words.find((known) => known === word) ?? unknown);
}

/** A str that `convert` makes a word of, or refuses with `undefined`. */
export function converted<T extends string>(name: string, convert: (word: string) => T | undefined): Field<T> {
  const fail = (): never => {
    throw new Invalid(`not str ${name}`);
  };
  return {
    text: `str ${name}`,
    decode: (value) => (typeof value === "string" ? convert(value) : undefined) ?? fail(),
    encode: (value) => (convert(value) === value ? value : fail()),
  };
}
