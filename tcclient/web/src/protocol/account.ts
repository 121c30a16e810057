/**
 * Login keys: from a password to an Ed25519 key, and what the keys of accounts and devices sign.
 *
 * The password never leaves the client. The server sends a salt and Argon2id costs. The client derives the account key and
 * signs the handshake hash. The salt that goes into Argon2id also depends on the server's static key and on the name. So a
 * false server cannot make a client compute the key of another server.
 */

import { concat, utf8, Writer } from "./bytes.js";
import { CryptoFailure } from "./errors.js";
import { SigningKey } from "./identity.js";
import { str16 } from "./membership.js";
import { argon2id, blake2b, KEY_SIZE } from "./sodium.js";

/** The least bytes of Argon2id memory that a client accepts. With less a false server could guess cheaply. */
export const MEMORY_FLOOR = 64 * 1024 * 1024;
/** The most bytes of it that a client accepts. A false server must not exhaust the client's machine. */
export const MEMORY_CEILING = 256 * 1024 * 1024;
/** The fewest Argon2id passes that a client accepts. */
export const PASSES_FLOOR = 2;
/** The most Argon2id passes that a client accepts. */
export const PASSES_CEILING = 6;
/** Bytes for new passwords: the memory-constrained recommendation of RFC 9106, section 4. */
export const DEFAULT_MEMORY = MEMORY_FLOOR;
/** Passes for new passwords, from the same recommendation. */
export const DEFAULT_PASSES = 3;
/** Bytes of a salt. */
export const SALT_SIZE = 16;
/** The most UTF-8 bytes of a password. */
export const MAX_PASSWORD_BYTES = 1024;

const ACCOUNT_LOGIN = utf8("tc account login v1\0");
const DEVICE_LOGIN = utf8("tc device login v1\0");
const ACCOUNT_CHANGE = utf8("tc account change v1\0");

/** Throw `CryptoFailure` for Argon2id costs outside floor and ceiling. */
export function checkCosts(memoryBytes: number, passes: number): void {
  const isInRange =
    memoryBytes >= MEMORY_FLOOR && memoryBytes <= MEMORY_CEILING && passes >= PASSES_FLOOR && passes <= PASSES_CEILING;
  if (!isInRange) throw new CryptoFailure(`Argon2id costs of ${memoryBytes} bytes and ${passes} passes are refused`);
}

/** Return the 16 bytes that go into Argon2id as salt, from the server's static key, the folded name and the salt. */
export function effectiveSalt(serverStatic: Uint8Array, account: string, salt: Uint8Array): Uint8Array {
  const text = concat(serverStatic, utf8(account), Uint8Array.of(0), salt);
  return blake2b(SALT_SIZE, text, { person: "tc salt v1" });
}

/**
 * Return the account key. Its seed is Argon2id of the password in NFKC and UTF-8. `salt` is the `effectiveSalt`.
 *
 * This takes a tenth of a second and `memoryBytes` of memory, so it must not run where sound is handled. Throws
 * `CryptoFailure` for costs outside floor and ceiling, `RangeError` for a password that is empty or too long.
 */
export function deriveAccountKey(password: string, salt: Uint8Array, memoryBytes: number, passes: number): SigningKey {
  checkCosts(memoryBytes, passes);
  const text = password.length > MAX_PASSWORD_BYTES ? undefined : utf8(password.normalize("NFKC"));
  if (text === undefined || text.length === 0 || text.length > MAX_PASSWORD_BYTES) {
    throw new RangeError(`a password has 1 to ${MAX_PASSWORD_BYTES} bytes`);
  }
  return new SigningKey(argon2id(KEY_SIZE, text, salt, passes, memoryBytes));
}

/**
 * Derive a key of nothing, with a third of the passes of one that counts.
 *
 * The first derivation takes a third longer than the next ones, since its code is compiled and its memory is new.
 */
export function warmUpDerivation(): void {
  argon2id(KEY_SIZE, new Uint8Array(1), new Uint8Array(SALT_SIZE), 1, DEFAULT_MEMORY);
}

/** Return what the account signs for a login: handshake hash (64 bytes), device key (32 bytes) and name. */
export function accountLoginText(handshakeHash: Uint8Array, device: Uint8Array, account: string): Uint8Array {
  return concat(ACCOUNT_LOGIN, handshakeHash, device, str16(account));
}

/** Return what the device signs for a login: handshake hash (64 bytes) and name. */
export function deviceLoginText(handshakeHash: Uint8Array, account: string): Uint8Array {
  return concat(DEVICE_LOGIN, handshakeHash, str16(account));
}

/** How an account key is derived: the salt as the server has it (16 bytes), and the Argon2id costs. */
export interface Challenge {
  readonly salt: Uint8Array;
  readonly memoryBytes: number;
  readonly passes: number;
}

/**
 * Return what the old account key signs for a new password.
 *
 * It covers the handshake hash (64 bytes), the name, the new public key (32 bytes), the new salt, memory and passes.
 */
export function accountChangeText(
  handshakeHash: Uint8Array,
  account: string,
  newPublic: Uint8Array,
  { salt, memoryBytes, passes }: Challenge,
): Uint8Array {
  const costs = new Writer(5).u32(memoryBytes).u8(passes).bytes;
  return concat(ACCOUNT_CHANGE, handshakeHash, str16(account), newPublic, salt, costs);
}
