/**
 * The handshake and the cipher of a stream: `Noise_NX_25519_ChaChaPoly_BLAKE2b`, the client's side.
 *
 * It follows the Noise Protocol Framework, revision 34 (https://noiseprotocol.org/noise.html). Section numbers are those of
 * its document. The pattern NX is:
 *
 *     -> e                    the initiator's ephemeral key; the payload is neither secret nor authenticated
 *     <- e, ee, s, es         the responder's ephemeral and static key; the payload is both
 *
 * The initiator learns the key of the responder, and has to check `Finished.remoteStatic`. A fault of the peer throws
 * `ProtocolError`: `bad_handshake` until the handshake is complete, `bad_frame` after it.
 */

import { concat, NO_BYTES, utf8, zeroPadded } from "./bytes.js";
import { type ErrorCode, ProtocolError } from "./errors.js";
import { agree, blake2b, decryptAead, encryptAead, hmac, KEY_SIZE, publicOf, TAG_SIZE } from "./sodium.js";

const PROTOCOL_NAME = utf8("Noise_NX_25519_ChaChaPoly_BLAKE2b");
/** Bytes that both sides have to agree on. They never change: versions and features are offered in the payloads. */
const PROLOGUE = utf8("tc noise 1");
const HASH_SIZE = 64;
/** The most bytes of a Noise message, of the handshake or after it (section 3). */
export const MAX_MESSAGE = 65_535;

/** One direction of a stream: a key and a nonce that counts up (section 5.1). */
export class CipherState {
  readonly #key: Uint8Array;
  readonly #failure: ErrorCode;
  #nonce = 0;

  /** `failure` is the code of the error that `decrypt` throws. */
  constructor(key: Uint8Array, failure: ErrorCode = "bad_frame") {
    this.#key = key;
    this.#failure = failure;
  }

  /** Return the cipher text, which is 16 bytes longer. Throws `RangeError` if it is longer than `MAX_MESSAGE`. */
  encrypt(plaintext: Uint8Array, ad: Uint8Array = NO_BYTES): Uint8Array {
    if (plaintext.length > MAX_MESSAGE - TAG_SIZE) throw new RangeError(`plain text of ${plaintext.length} bytes`);
    const ciphertext = encryptAead(plaintext, ad, this.#nonceBytes(), this.#key);
    this.#nonce++;
    return ciphertext;
  }

  /** Return the plain text. Throws `ProtocolError` where it does not verify; the nonce stays the same then. */
  decrypt(ciphertext: Uint8Array, ad: Uint8Array = NO_BYTES): Uint8Array {
    if (ciphertext.length < TAG_SIZE || ciphertext.length > MAX_MESSAGE) {
      throw new ProtocolError(this.#failure, `cipher text of ${ciphertext.length} bytes`);
    }
    let plaintext: Uint8Array;
    try {
      plaintext = decryptAead(ciphertext, ad, this.#nonceBytes(), this.#key);
    } catch {
      throw new ProtocolError(this.#failure, "the cipher text does not verify");
    }
    this.#nonce++;
    return plaintext;
  }

  /** Return four zeros and the nonce, little-endian (section 12.3). It stays exact for longer than any connection. */
  #nonceBytes(): Uint8Array {
    const bytes = new Uint8Array(12);
    new DataView(bytes.buffer).setBigUint64(4, BigInt(this.#nonce), true);
    return bytes;
  }
}

/** The chaining key and the hash of a handshake (section 5.2). */
export class SymmetricState {
  /** The hash of all that was sent so far. At the end it is the handshake hash, 64 bytes. */
  hash: Uint8Array = zeroPadded(PROTOCOL_NAME, HASH_SIZE);
  #chainingKey = this.hash;
  #cipher: CipherState | undefined;

  constructor() {
    this.mixHash(PROLOGUE);
  }

  /** Mix in a shared secret. What follows is encrypted. */
  mixKey(secret: Uint8Array): void {
    const [chainingKey, key] = hkdf(this.#chainingKey, secret);
    this.#chainingKey = chainingKey;
    this.#cipher = new CipherState(key.subarray(0, KEY_SIZE), "bad_handshake");
  }

  /** Mix in bytes that were sent. */
  mixHash(data: Uint8Array): void {
    this.hash = blake2b(HASH_SIZE, concat(this.hash, data));
  }

  /** Return what has to be sent: the cipher text, or the plain text as long as there is no key. */
  encryptAndHash(plaintext: Uint8Array): Uint8Array {
    const ciphertext = this.#cipher?.encrypt(plaintext, this.hash) ?? plaintext;
    this.mixHash(ciphertext);
    return ciphertext;
  }

  /** Return the plain text of what was sent. Throws `ProtocolError` (`bad_handshake`). */
  decryptAndHash(ciphertext: Uint8Array): Uint8Array {
    const plaintext = this.#cipher?.decrypt(ciphertext, this.hash) ?? ciphertext;
    this.mixHash(ciphertext);
    return plaintext;
  }

  /** Return the cipher states from initiator to responder and from responder to initiator. */
  split(): readonly [CipherState, CipherState] {
    const [first, second] = hkdf(this.#chainingKey, NO_BYTES);
    return [new CipherState(first.subarray(0, KEY_SIZE)), new CipherState(second.subarray(0, KEY_SIZE))];
  }
}

/** What a handshake has led to. */
export interface Finished {
  /** Of the second message. */
  readonly payload: Uint8Array;
  /** 64 bytes. */
  readonly handshakeHash: Uint8Array;
  /** The static public key of the responder, which has proven it. */
  readonly remoteStatic: Uint8Array;
  readonly send: CipherState;
  readonly receive: CipherState;
}

/** The side that opened the connection: `writeMessage`, then `readMessage`, each once. */
export class Initiator {
  readonly #symmetric = new SymmetricState();
  #ephemeral: Uint8Array | undefined;

  /** `ephemeralPrivate` has 32 random bytes, and must never be used twice. */
  constructor(ephemeralPrivate: Uint8Array) {
    this.#ephemeral = ephemeralPrivate;
  }

  /** Return the first message. Anyone can read and change its payload, but a change breaks the handshake. */
  writeMessage(payload: Uint8Array): Uint8Array {
    const ephemeral = publicOf(this.#private());
    this.#symmetric.mixHash(ephemeral);
    return concat(ephemeral, this.#symmetric.encryptAndHash(payload));
  }

  /** Read the second message. Throws `ProtocolError` (`bad_handshake`). */
  readMessage(message: Uint8Array): Finished {
    const own = this.#private();
    this.#ephemeral = undefined; // whatever comes of it, it is not used again
    const end = 2 * KEY_SIZE + TAG_SIZE;
    if (message.length < end) throw new ProtocolError("bad_handshake", `handshake message of ${message.length} bytes`);
    const symmetric = this.#symmetric;
    const ephemeral = message.subarray(0, KEY_SIZE);
    symmetric.mixHash(ephemeral);
    symmetric.mixKey(secretOf(own, ephemeral));
    const remoteStatic = symmetric.decryptAndHash(message.subarray(KEY_SIZE, end));
    symmetric.mixKey(secretOf(own, remoteStatic));
    const payload = symmetric.decryptAndHash(message.subarray(end));
    const [send, receive] = symmetric.split();
    return { payload, handshakeHash: symmetric.hash, remoteStatic, send, receive };
  }

  #private(): Uint8Array {
    if (this.#ephemeral === undefined) throw new Error("the handshake is over");
    return this.#ephemeral;
  }
}

function secretOf(own: Uint8Array, other: Uint8Array): Uint8Array {
  try {
    return agree(own, other);
  } catch {
    // libsodium refuses points of small order: their result is all zeros for every private key (section 12.1).
    throw new ProtocolError("bad_handshake", "a public key is of small order");
  }
}

/** Return the two outputs of section 4.3. */
function hkdf(chainingKey: Uint8Array, material: Uint8Array): readonly [Uint8Array, Uint8Array] {
  const temporary = hmac(chainingKey, material);
  const first = hmac(temporary, Uint8Array.of(1));
  return [first, hmac(temporary, concat(first, Uint8Array.of(2)))];
}
