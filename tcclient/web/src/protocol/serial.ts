/** Numbers on the wire that wrap (RFC 1982), and the same numbers without their wrap. */

/** Return `value` modulo 2^`bits`; `bits` is at most 48. */
export function wrapped(value: number, bits = 32): number {
  const range = 2 ** bits;
  return ((value % range) + range) % range;
}

/** Return how far `a` is ahead of `b`: from -2^(bits-1) to 2^(bits-1) - 1. */
export function difference(a: number, b: number, bits = 32): number {
  const half = 2 ** (bits - 1);
  return wrapped(a - b + half, bits) - half;
}

/** Return the number nearest to `near` that wraps to `value`. */
export function unwrap(value: number, near: number, bits = 32): number {
  return near + difference(value, wrapped(near, bits), bits);
}
