/**
 * libsodium, compiled to WebAssembly: hashes, signatures, boxes, and the derivation of account keys.
 *
 * The functions are good once `ready` is fulfilled. Boxes and hashes call the C functions on memory that was allocated
 * once, which halves the cost of a small box.
 */

import sodium from "libsodium-wrappers-sumo";

import { concat, utf8 } from "./bytes.js";
import { CryptoFailure } from "./errors.js";

/** Bytes of a seed, of a key of any kind, and of half a key pair. */
export const KEY_SIZE = 32;
export const NONCE_SIZE = 24;
export const TAG_SIZE = 16;
export const SIGNATURE_SIZE = 64;
/** Bytes of memory for a box: larger than any datagram, sealed text or key box. */
const MAX_BOX = 16_384;
/** Bytes of memory for what is hashed at once; more is hashed in pieces. */
const MAX_PIECE = 16_384;
const PERSON_SIZE = 16;

/** The C functions that are called with addresses. */
interface Raw {
  readonly HEAPU8: Uint8Array;
  _malloc(size: number): number;
  _crypto_secretbox_easy(c: number, m: number, low: number, high: number, nonce: number, key: number): number;
  _crypto_secretbox_open_easy(m: number, c: number, low: number, high: number, nonce: number, key: number): number;
  _crypto_generichash_blake2b_init_salt_personal(
    state: number,
    key: number,
    keySize: number,
    size: number,
    salt: number,
    person: number,
  ): number;
  _crypto_generichash_blake2b_update(state: number, data: number, low: number, high: number): number;
  _crypto_generichash_blake2b_final(state: number, out: number, size: number): number;
  _crypto_generichash_blake2b_statebytes(): number;
}

interface Memory {
  readonly raw: Raw;
  readonly input: number;
  readonly output: number;
  readonly nonce: number;
  readonly key: number;
  readonly state: number;
  readonly person: number;
}

let memory: Memory | undefined;

/** Fulfilled once libsodium is loaded. Nothing else here may be called before. */
export const ready: Promise<void> = sodium.ready.then(() => {
  const raw = (sodium as unknown as { readonly libsodium: Raw }).libsodium;
  memory = {
    raw,
    input: raw._malloc(MAX_BOX + TAG_SIZE),
    output: raw._malloc(MAX_BOX + TAG_SIZE),
    nonce: raw._malloc(NONCE_SIZE),
    key: raw._malloc(64),
    state: raw._malloc(raw._crypto_generichash_blake2b_statebytes() + 64),
    person: raw._malloc(PERSON_SIZE),
  };
});

function loaded(): Memory {
  if (memory === undefined) throw new Error("libsodium is not loaded yet");
  return memory;
}

interface Personal {
  readonly key?: Uint8Array;
  /** Personalization, padded with zeros to 16 bytes. */
  readonly person?: string;
}

/** Return the BLAKE2b digest (RFC 7693) of `size` bytes, 1 to 64. */
export function blake2b(size: number, data: Uint8Array, { key, person = "" }: Personal = {}): Uint8Array {
  const { raw, input, output, key: keyAt, state, person: personAt } = loaded();
  const aligned = (state + 63) & ~63; // as the C type asks for
  raw.HEAPU8.fill(0, personAt, personAt + PERSON_SIZE).set(utf8(person), personAt);
  if (key !== undefined) raw.HEAPU8.set(key, keyAt);
  raw._crypto_generichash_blake2b_init_salt_personal(aligned, keyAt, key?.length ?? 0, size, 0, personAt);
  for (let start = 0; start < data.length; start += MAX_PIECE) {
    const piece = data.subarray(start, start + MAX_PIECE);
    raw.HEAPU8.set(piece, input);
    raw._crypto_generichash_blake2b_update(aligned, input, piece.length, 0);
  }
  raw._crypto_generichash_blake2b_final(aligned, output, size);
  return raw.HEAPU8.slice(output, output + size);
}

/**
 * Return the box of NaCl's crypto_secretbox: tag, then cipher text. Throws `RangeError` for wrong sizes.
 *
 * A nonce of fewer than 24 bytes has zeros behind it, as the protocol makes nonces of headers.
 */
export function secretbox(plaintext: Uint8Array, nonce: Uint8Array, key: Uint8Array): Uint8Array {
  const { raw, input, output, nonce: nonceAt, key: keyAt } = placed(plaintext, nonce, key);
  raw._crypto_secretbox_easy(output, input, plaintext.length, 0, nonceAt, keyAt);
  return raw.HEAPU8.slice(output, output + plaintext.length + TAG_SIZE);
}

/** Return the plaintext of such a box. Throws `CryptoFailure` where it does not open, `RangeError` for wrong sizes. */
export function openSecretbox(data: Uint8Array, nonce: Uint8Array, key: Uint8Array): Uint8Array {
  if (data.length < TAG_SIZE) throw new CryptoFailure("the box is shorter than a tag");
  const { raw, input, output, nonce: nonceAt, key: keyAt } = placed(data, nonce, key);
  if (raw._crypto_secretbox_open_easy(output, input, data.length, 0, nonceAt, keyAt) !== 0) {
    throw new CryptoFailure("the box does not open");
  }
  return raw.HEAPU8.slice(output, output + data.length - TAG_SIZE);
}

/** Copy what a box needs into the memory of libsodium. */
function placed(data: Uint8Array, nonce: Uint8Array, key: Uint8Array): Memory {
  if (nonce.length > NONCE_SIZE) throw new RangeError(`a nonce has at most ${NONCE_SIZE} bytes, not ${nonce.length}`);
  if (key.length !== KEY_SIZE) throw new RangeError(`a key has ${KEY_SIZE} bytes, not ${key.length}`);
  if (data.length > MAX_BOX) throw new RangeError(`a box has at most ${MAX_BOX} bytes`);
  const found = loaded();
  const { HEAPU8 } = found.raw;
  HEAPU8.set(data, found.input);
  HEAPU8.fill(0, found.nonce, found.nonce + NONCE_SIZE);
  HEAPU8.set(nonce, found.nonce);
  HEAPU8.set(key, found.key);
  return found;
}

/** Return the shared key of NaCl's crypto_box, 32 bytes. Throws `CryptoFailure` for a public key of low order. */
export function sharedKey(otherPublic: Uint8Array, ownPrivate: Uint8Array): Uint8Array {
  try {
    return sodium.crypto_box_beforenm(otherPublic, ownPrivate);
  } catch {
    throw new CryptoFailure("the box key is not a usable point");
  }
}

/** Return the public half of an X25519 key. */
export function publicOf(secret: Uint8Array): Uint8Array {
  return sodium.crypto_scalarmult_base(secret);
}

/** Return the X25519 secret of a pair. Throws `CryptoFailure` for a public key of low order. */
export function agree(ownPrivate: Uint8Array, otherPublic: Uint8Array): Uint8Array {
  try {
    return sodium.crypto_scalarmult(ownPrivate, otherPublic);
  } catch {
    throw new CryptoFailure("a public key is of small order");
  }
}

/** Return the cipher text of ChaCha20-Poly1305 (RFC 8439), with its tag behind it. */
export function encryptAead(plaintext: Uint8Array, ad: Uint8Array, nonce: Uint8Array, key: Uint8Array): Uint8Array {
  return sodium.crypto_aead_chacha20poly1305_ietf_encrypt(plaintext, ad, null, nonce, key);
}

/** Return the plaintext of such a cipher text. Throws `CryptoFailure` where it does not verify. */
export function decryptAead(data: Uint8Array, ad: Uint8Array, nonce: Uint8Array, key: Uint8Array): Uint8Array {
  try {
    return sodium.crypto_aead_chacha20poly1305_ietf_decrypt(null, data, ad, nonce, key);
  } catch {
    throw new CryptoFailure("the cipher text does not verify");
  }
}

/** Return the two halves of the Ed25519 key that is made of a seed of 32 bytes. */
export function signingPair(seed: Uint8Array): { readonly public: Uint8Array; readonly secret: Uint8Array } {
  const { publicKey, privateKey } = sodium.crypto_sign_seed_keypair(seed);
  return { public: publicKey, secret: privateKey };
}

/** Return the Ed25519 signature, 64 bytes. */
export function signDetached(message: Uint8Array, secret: Uint8Array): Uint8Array {
  return sodium.crypto_sign_detached(message, secret);
}

/** Tell whether the key with the half `publicKey` made this signature. Never throws. */
export function verifyDetached(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (publicKey.length !== KEY_SIZE || signature.length !== SIGNATURE_SIZE) return false;
  return sodium.crypto_sign_verify_detached(signature, message, publicKey);
}

/** Return `size` bytes of Argon2id (RFC 9106, version 1.3, one lane). It takes 0.1 to 1 s, and `memoryBytes`. */
export function argon2id(
  size: number,
  password: Uint8Array,
  salt: Uint8Array,
  passes: number,
  memoryBytes: number,
): Uint8Array {
  return sodium.crypto_pwhash(size, password, salt, passes, memoryBytes, sodium.crypto_pwhash_ALG_ARGON2ID13);
}

const HMAC_BLOCK = 128;

/** Return HMAC-BLAKE2b (RFC 2104 with a block of 128 bytes), 64 bytes. `key` has at most 128 bytes. */
export function hmac(key: Uint8Array, data: Uint8Array): Uint8Array {
  const pad = (byte: number): Uint8Array => Uint8Array.from({ length: HMAC_BLOCK }, (_, i) => (key[i] ?? 0) ^ byte);
  return blake2b(64, concat(pad(0x5c), blake2b(64, concat(pad(0x36), data))));
}
