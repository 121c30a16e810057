/**
 * Error codes and the errors that carry them.
 *
 * - `ProtocolError`: a peer broke the protocol on a stream; the connection ends.
 * - `Refusal`: a well-formed request was refused; the connection goes on.
 * - `CryptoFailure`: a box, a signature or a cipher text did not verify.
 *
 * Malformed datagrams, packets and values out of range throw `RangeError`.
 */

/** What the receiver of a code should do about its connection. */
export const ACTIONS = ["none", "resume", "reconnect", "stop"] as const;
export type Action = (typeof ACTIONS)[number];

interface CodeInfo {
  readonly action: Action;
  /** The English text. */
  readonly text: string;
}

/** The error codes. A code never changes its meaning; an unknown one is treated as `internal`. */
export const CODES = {
  bad_frame: { action: "reconnect", text: "the frame is malformed or too large" },
  bad_handshake: { action: "reconnect", text: "the handshake failed" },
  bad_message: { action: "reconnect", text: "the message is malformed" },
  unexpected_message: { action: "reconnect", text: "the message is not allowed in this state" },
  unsupported_version: { action: "stop", text: "no common protocol version" },
  login_timeout: { action: "reconnect", text: "the login took too long" },
  idle_timeout: { action: "resume", text: "nothing was heard for too long" },
  slow_consumer: { action: "resume", text: "the receiver does not keep up" },
  shutdown: { action: "reconnect", text: "the server is going down" },
  leaving: { action: "none", text: "the client leaves" },
  internal: { action: "reconnect", text: "an internal error of the peer" },
  bad_credentials: { action: "stop", text: "the username or the password is wrong" },
  bad_name: { action: "stop", text: "the display name is not allowed" },
  server_full: { action: "reconnect", text: "the server is full" },
  too_many_sessions: { action: "stop", text: "the account has too many sessions" },
  too_many_attempts: { action: "reconnect", text: "too many failed logins" },
  banned: { action: "stop", text: "the account is banned" },
  maintenance: { action: "reconnect", text: "the server is under maintenance" },
  replaced: { action: "stop", text: "the session was replaced by a newer login" },
  credentials_changed: { action: "stop", text: "the account's password changed or the account was disabled" },
  bad_request: { action: "none", text: "the request has a value that is not allowed" },
  no_such_room: { action: "none", text: "there is no such room" },
  no_such_participant: { action: "none", text: "there is no such participant" },
  no_such_publication: { action: "none", text: "there is no such publication" },
  room_exists: { action: "none", text: "a room of this name exists" },
  room_full: { action: "none", text: "the room is full" },
  room_locked: { action: "none", text: "the room is locked: nobody else may enter" },
  room_changed: { action: "none", text: "the room was closed and opened again meanwhile" },
  room_closed: { action: "stop", text: "the room was closed" },
  mode_mismatch: { action: "none", text: "the room's end-to-end encryption mode is not the one asked for" },
  not_in_room: { action: "none", text: "not in a room" },
  already_in_room: { action: "none", text: "already in a room" },
  not_permitted: { action: "none", text: "not permitted" },
  too_many_streams: { action: "none", text: "too many publications" },
  rate_limited: { action: "none", text: "too many requests of this kind" },
  kicked: { action: "stop", text: "removed from the room" },
  cannot_resume: { action: "reconnect", text: "the seat cannot be resumed" },
} as const satisfies Record<string, CodeInfo>;

export type ErrorCode = keyof typeof CODES;

/** Return the code of a word on the wire: `internal` for one of a later version. */
export function errorCode(word: string): ErrorCode {
  return Object.hasOwn(CODES, word) ? (word as ErrorCode) : "internal";
}

/** Return the action of a word on the wire: the most careful one for that of a later version. */
export function action(word: string): Action {
  return ACTIONS.find((known) => known === word) ?? "stop";
}

/** A peer broke the protocol on a stream. `detail` is for the log and, as the text, for the peer. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
  readonly detail: string;

  constructor(
    readonly code: ErrorCode,
    detail = "",
  ) {
    super(`${code}: ${detail || CODES[code].text}`);
    this.detail = detail || CODES[code].text;
  }
}

/** A well-formed request was refused. `retryAfterMs` is 0 where waiting does not help. */
export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly text: string;

  constructor(
    readonly code: ErrorCode,
    text = "",
    readonly retryAfterMs = 0,
  ) {
    super(`${code}: ${text || CODES[code].text}`);
    this.text = text || CODES[code].text;
  }
}

/** A box, a signature or a cipher text did not verify. */
export class CryptoFailure extends Error {
  override readonly name = "CryptoFailure";
}
