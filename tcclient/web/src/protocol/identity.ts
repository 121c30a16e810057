/** Identities: Ed25519 signing keys of accounts, and the fingerprint of a server's static key. */

import { blake2b, KEY_SIZE, signDetached, signingPair } from "./sodium.js";

/** Bytes of a fingerprint: 160 bits, too many to find a second key with the same, and 32 letters to read. */
export const FINGERPRINT_SIZE = 20;
const GROUP = 4;
const ALPHABET = "abcdefghijklmnopqrstuvwxyz234567";

/** An Ed25519 key made from a seed of 32 secret bytes. Throws `RangeError` for a seed of another size. */
export class SigningKey {
  /** The public half, 32 bytes. */
  readonly public: Uint8Array;
  readonly #secret: Uint8Array;

  constructor(seed: Uint8Array) {
    if (seed.length !== KEY_SIZE) throw new RangeError(`a seed has ${KEY_SIZE} bytes`);
    const pair = signingPair(seed);
    this.public = pair.public;
    this.#secret = pair.secret;
  }

  /** Return the signature of `message`, 64 bytes. */
  sign(message: Uint8Array): Uint8Array {
    return signDetached(message, this.#secret);
  }
}

/** Return the fingerprint of a server's static key (32 bytes): BLAKE2b-160, personalization `tc fingerprint v`. */
export function fingerprint(publicKey: Uint8Array): Uint8Array {
  if (publicKey.length !== KEY_SIZE) throw new RangeError(`a public key has ${KEY_SIZE} bytes`);
  return blake2b(FINGERPRINT_SIZE, publicKey, { person: "tc fingerprint v" });
}

/** Return 20 bytes in eight groups of four letters, lower-case base32 (RFC 4648): `abcd-efgh-…`. */
export function formatFingerprint(value: Uint8Array): string {
  if (value.length !== FINGERPRINT_SIZE) throw new RangeError(`a fingerprint has ${FINGERPRINT_SIZE} bytes`);
  let bits = 0n;
  for (const byte of value) bits = (bits << 8n) | BigInt(byte);
  const letters = Array.from({ length: 32 }, (_, i) => ALPHABET.charAt(Number((bits >> BigInt(155 - 5 * i)) & 31n)));
  const groups: string[] = [];
  for (let start = 0; start < letters.length; start += GROUP) groups.push(letters.slice(start, start + GROUP).join(""));
  return groups.join("-");
}

/** Return the 20 bytes of a fingerprint, in any case, with or without dashes. Throws `RangeError` for another text. */
export function parseFingerprint(text: string): Uint8Array {
  const letters = text.replaceAll("-", "").trim().toLowerCase();
  if (!/^[a-z2-7]{32}$/.test(letters)) {
    throw new RangeError("a fingerprint is 32 letters and digits (a-z, 2-7) in eight groups of four");
  }
  let bits = 0n;
  for (const letter of letters) bits = (bits << 5n) | BigInt(ALPHABET.indexOf(letter));
  return Uint8Array.from({ length: FINGERPRINT_SIZE }, (_, i) => Number((bits >> BigInt(152 - 8 * i)) & 255n));
}
