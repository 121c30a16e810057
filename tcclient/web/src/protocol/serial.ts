/**
 * Serial numbers: numbers that wrap, because only their low bits are sent (RFC 1982).
 *
 * Sequence numbers, media timestamps and clocks in µs have 32 bits on the wire, frame ids and forward numbers 16, epochs and
 * the key number of a packet 8. Two such numbers are compared the shorter way round. That is right as long as the real
 * numbers are less than half of the range apart.
 */

/** Return the low `bits` (at most 32) of an integer, which may be negative: what is sent of it. */
export function wrapped(number: number, bits = 32): number {
  const range = 2 ** bits;
  return ((number % range) + range) % range;
}

/** Return a monotonic time in seconds as a clock in µs, modulo 2^32. */
export function clockUs(seconds: number): number {
  return wrapped(Math.floor(seconds * 1e6));
}

/**
 * Return how far a number is ahead of a reference, the shorter way round: -2^(bits - 1) to 2^(bits - 1) - 1.
 *
 * The number is the later one of the two where this is above 0. Both numbers may have more bits.
 */
export function difference(number: number, reference: number, bits = 32): number {
  const half = 2 ** (bits - 1);
  return wrapped(number - reference + half, bits) - half;
}

/** Return the integer that is nearest to `near` and equal to the number in the low `bits`; may be negative. */
export function unwrap(number: number, near: number, bits = 32): number {
  return near + difference(number, near, bits);
}

/** Makes a clock of 32 bits run on. Each value counts as the one that is nearest to the highest one before it. */
export class Unwrapper {
  #highest: number | undefined;

  /** Return the value, unwrapped. The first one is returned as it is. */
  next(value: number): number {
    if (this.#highest === undefined) {
      this.#highest = value;
      return value;
    }
    const unwrapped = unwrap(value, this.#highest);
    this.#highest = Math.max(this.#highest, unwrapped);
    return unwrapped;
  }
}
