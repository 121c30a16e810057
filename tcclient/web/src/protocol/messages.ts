/**
 * Control messages: one table, one strict codec.
 *
 * On the wire a message is a msgpack map with `t`, its type, `id`, the request id (requests and replies only), and the
 * fields. Every request has exactly one reply with its id: the `answer` of its row, or `error`.
 */

import { type ErrorCode, ProtocolError } from "./errors.js";
import { Invalid } from "./fields.js";
import * as login from "./messages/login.js";
import * as media from "./messages/media.js";
import type { MessageOf, Row } from "./messages/registry.js";
import * as room from "./messages/room.js";
import { pack, unpack, type Value } from "./msgpack.js";

export type { ErrorCode };
export * from "./messages/login.js";
export * from "./messages/media.js";
export * from "./messages/room.js";
export * from "./messages/types.js";

const { ClientHello: _clientHello, ServerHello: _serverHello, ...loginRows } = login;
const ALL = { ...loginRows, ...media, ...room };

/** A message of any type of the table. */
export type Message = MessageOf<(typeof ALL)[keyof typeof ALL]>;

/** A message of a type that this version does not know. It is ignored, or refused if it is a request. */
export interface Unknown {
  readonly t: undefined;
  readonly name: string;
}

/** A decoded message. `requestId` is 0 for a notification. */
export interface Envelope {
  readonly message: Message | Unknown;
  readonly requestId: number;
}

const ROWS: ReadonlyMap<string, Row> = new Map(Object.values(ALL).map((row) => [row.name, row as unknown as Row]));
const MAX_REQUEST_ID = 2 ** 32 - 1;

/** Return the table's row of a message. */
export function rowOf(message: Message): Row {
  const row = ROWS.get(message.t);
  if (row === undefined) throw new RangeError(`no message ${message.t}`);
  return row;
}

/** Tell whether a message has a request id: requests and replies have one. */
function isNumbered(row: Row): boolean {
  return row.reply || row.answer !== undefined;
}

/**
 * Encode a message. Requests and replies need their id.
 *
 * Throws `RangeError` for a field or an id out of range, for an id of a notification, and for a missing id.
 */
export function encode(message: Message, requestId = 0): Uint8Array {
  const row = rowOf(message);
  if (!(requestId >= 0 && requestId <= MAX_REQUEST_ID) || requestId > 0 !== isNumbered(row)) {
    throw new RangeError(`${row.name}: request id ${requestId}`);
  }
  const head: [string, Value][] = [["t", row.name]];
  if (requestId > 0) head.push(["id", requestId]);
  return pack(new Map([...head, ...row.fields.encode(message as never)]));
}

/**
 * Decode a message. A message of an unknown type becomes `Unknown`.
 *
 * Throws `ProtocolError` (`bad_message`) for all that is not a message.
 */
export function decode(data: Uint8Array): Envelope {
  const body = unpacked(data);
  if (!(body instanceof Map)) throw new ProtocolError("bad_message", "a message is a map");
  const name: Value | undefined = body.get("t");
  if (typeof name !== "string") throw new ProtocolError("bad_message", "t: a string is required");
  const requestId: Value = body.get("id") ?? 0;
  if (typeof requestId !== "number" || requestId < Number(body.has("id")) || requestId > MAX_REQUEST_ID) {
    throw new ProtocolError("bad_message", "id: an integer from 1 to 4294967295 is required");
  }
  const row = ROWS.get(name);
  if (row === undefined) return { message: { t: undefined, name }, requestId };
  if (requestId > 0 !== isNumbered(row)) {
    throw new ProtocolError("bad_message", `${name}: an id belongs to requests and replies, not to others`);
  }
  try {
    return { message: { t: row.name, ...row.fields.decode(body) } as Message, requestId };
  } catch (error) {
    throw error instanceof Invalid ? new ProtocolError("bad_message", `${name}: ${error.message}`) : error;
  }
}

/** Return the value that the bytes hold. Throws `ProtocolError` (`bad_message`) where they are none of the subset. */
export function unpacked(data: Uint8Array): Value {
  try {
    return unpack(data);
  } catch (error) {
    throw new ProtocolError("bad_message", error instanceof Error ? error.message : "");
  }
}
