/**
 * Datagrams: a clear header of 12 bytes and a secretbox, whose nonce is the header and 12 zeros.
 *
 * The box of *up* and *down* holds items. That of *room* holds first the relay time (4 bytes, µs by the sealer's clock,
 * wraps), then items. An item is a type byte, a length of 2 bytes, and a value. Where the high bit of the type byte is set,
 * there is no length, and the item runs to the end. Items of an unknown type are skipped. PROTOCOL.md, section 6.
 */

import { concat, Reader, Writer } from "./bytes.js";
import { CryptoFailure } from "./errors.js";
import { openSecretbox, secretbox, TAG_SIZE } from "./sodium.js";

export const VERSION = 1;
export const HEADER_SIZE = 12;
/** Of a forward number. */
export const FORWARD_BITS = 16;
/** The fewest bytes of a datagram: a header and an empty box. */
export const MIN_DATAGRAM = HEADER_SIZE + TAG_SIZE;
/** The most bytes of a datagram. */
export const MAX_DATAGRAM = 1200;
/** Bytes above which a datagram counts as large: a piece of a picture. */
export const LARGE = MAX_DATAGRAM / 2;
export const RELAY_TIME_SIZE = 4;
/** The highest counter of a datagram. */
export const MAX_COUNTER = 2 ** 48 - 1;
/** Seconds for which a session key or room key is accepted after it was replaced: longer than any datagram travels. */
export const KEY_OVERLAP = 10.0;
/** The bit of the type byte that says that the item runs to the end of the datagram and has no length. */
export const LAST_ITEM = 0x80;

/** Kind of a datagram: client to server, server to one client, server to everybody who wants it. */
export const Kind = { UP: 1, DOWN: 2, ROOM: 3 } as const;

/** Types of items that a client sends or reads. Copies are not asked for, and other types are skipped. */
export const ItemType = {
  PADDING: 0,
  /** up: packet; room: forward number 2, packet, in the plain variant. */
  PACKET: 1,
  /** room: forward number 2, ms held 2, packet, in the plain variant. */
  HELD_PACKET: 2,
  /** room: forward number 2, packet, in the redundant variant. */
  REDUNDANT_PACKET: 3,
  /** room: forward number 2, ms held 2, packet, in the redundant variant. */
  HELD_REDUNDANT_PACKET: 4,
  PING: 16,
  PONG: 17,
  /** down: token 8. */
  PATH_CHALLENGE: 18,
  /** up: token 8. */
  PATH_RESPONSE: 19,
  /** down: (sealer 4, counter 6) each. */
  POSITIONS: 20,
} as const;

/** The clear header of a datagram. `kind` may be an unknown one. */
export interface DatagramHeader {
  readonly version: number;
  readonly kind: number;
  /** Low 8 bits of the epoch of the key. */
  readonly epoch: number;
  /** Media id (up, down) or sealer id (room). */
  readonly id: number;
  readonly counter: number;
}

export interface Item {
  readonly type: number;
  readonly value: Uint8Array;
}

/** Return the 12 bytes; `epoch` is taken modulo 256. Throws `RangeError` for an id or counter out of range. */
export function packDatagramHeader(kind: number, epoch: number, id: number, counter: number): Uint8Array {
  return new Writer(HEADER_SIZE)
    .u8((VERSION << 4) | kind)
    .u8(epoch & 0xff)
    .u32(id)
    .u48(counter).bytes;
}

/** Parse the header of a datagram of at least `HEADER_SIZE` bytes. */
export function parseDatagramHeader(data: Uint8Array): DatagramHeader {
  const reader = new Reader(data);
  const first = reader.u8();
  return { version: first >> 4, kind: first & 15, epoch: reader.u8(), id: reader.u32(), counter: reader.u48() };
}

/** Return the datagram. The caller must never use a header twice under a key. */
export function sealDatagram(header: Uint8Array, plaintext: Uint8Array, key: Uint8Array): Uint8Array {
  return concat(header, secretbox(plaintext, header, key));
}

/** Return the plaintext of a datagram. Throws `CryptoFailure` where it is too short or the box does not open. */
export function openDatagram(data: Uint8Array, key: Uint8Array): Uint8Array {
  if (data.length < MIN_DATAGRAM) throw new CryptoFailure("the datagram is shorter than a header and a tag");
  return openSecretbox(data.subarray(HEADER_SIZE), data.subarray(0, HEADER_SIZE), key);
}

/** Return the items in a row. The last one has no length if `openEnd`. Throws `RangeError` for a value over 65,535 bytes. */
export function packItems(items: readonly Item[], openEnd = true): Uint8Array {
  const last = openEnd ? items.length - 1 : items.length;
  const parts = items.flatMap(({ type, value }, i) => [
    i === last ? Uint8Array.of(type | LAST_ITEM) : new Writer(3).u8(type).u16(value.length).bytes,
    value,
  ]);
  return concat(...parts);
}

/** Return the items from `start` on, those of unknown types too. Throws `RangeError` where an item is cut off. */
export function parseItems(plaintext: Uint8Array, start = 0): Item[] {
  const reader = new Reader(plaintext, start);
  const items: Item[] = [];
  while (reader.left > 0) {
    const type = reader.u8();
    const isLast = (type & LAST_ITEM) !== 0;
    items.push({ type: type & ~LAST_ITEM, value: reader.take(isLast ? reader.left : reader.u16()) });
  }
  return items;
}

/** Return the relay time at the start of a room datagram's plaintext. Throws `RangeError` where it is short. */
export function parseRelayTime(plaintext: Uint8Array): number {
  return new Reader(plaintext).u32();
}
