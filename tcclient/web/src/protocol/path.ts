/** Items about the media path: pings, proof of the path, positions of the sealers. */

import { Reader, Writer } from "./bytes.js";

/** Bytes of a path challenge. */
export const PATH_TOKEN_SIZE = 8;
export const PING_NUMBER_BITS = 16;
/** Seconds between pings on a path without subscriptions and publications. They keep NAT bindings alive. */
export const PING_INTERVAL_IDLE = 5.0;
/** Seconds between pings on a path in a call. */
export const PING_INTERVAL_CALL = 1.0;
/** Seconds between pings on a path that is lost. */
export const PING_INTERVAL_LOST = 0.5;
/** Seconds after which a path counts as lost, if pings were sent and nothing at all came. */
export const PATH_SILENCE = 3.0;
/** Seconds after a ping without anything, after which pings follow faster, because some may be lost. */
export const PING_PATIENCE = 1.0;
/** Seconds between these faster pings. */
export const PING_INTERVAL_SILENT = 0.1;
/** Seconds without anything from the peer after which a control connection is dead. */
export const CONTROL_TIMEOUT = 15.0;
const PING_SIZE = 6;
const PONG_SIZE = 20;
const POSITION_SIZE = 10;

/** A ping; `time` is the sender's clock in µs, modulo 2^32. */
export interface PingItem {
  readonly number: number;
  readonly time: number;
}

/** Answer to a ping: when it came, and what else had come by then. */
export interface PongItem extends PingItem {
  /** The answering side's clock in µs, modulo 2^32. */
  readonly receivedAt: number;
  /** Highest counter accepted from the asking side. */
  readonly highest: number;
  /** Datagrams accepted from the asking side, modulo 2^32. With `highest` this gives the loss on the way. */
  readonly received: number;
}

/** The counter that a sealer will use next. The ceiling of its replay window follows from it. */
export interface Position {
  readonly sealer: number;
  readonly counter: number;
}

export function packPing({ number, time }: PingItem): Uint8Array {
  return new Writer(PING_SIZE).u16(number).u32(time).bytes;
}

/** Parse a ping. Throws `RangeError` for a wrong length. */
export function parsePing(value: Uint8Array): PingItem {
  if (value.length !== PING_SIZE) throw new RangeError("ping of a wrong length");
  const reader = new Reader(value);
  return { number: reader.u16(), time: reader.u32() };
}

export function packPong({ number, time, receivedAt, highest, received }: PongItem): Uint8Array {
  return new Writer(PONG_SIZE).u16(number).u32(time).u32(receivedAt).u48(highest).u32(received).bytes;
}

/** Parse a pong. Throws `RangeError` for a wrong length. */
export function parsePong(value: Uint8Array): PongItem {
  if (value.length !== PONG_SIZE) throw new RangeError("pong of a wrong length");
  const reader = new Reader(value);
  const [number, time, receivedAt] = [reader.u16(), reader.u32(), reader.u32()];
  return { number, time, receivedAt, highest: reader.u48(), received: reader.u32() };
}

/** Parse positions. Throws `RangeError` for a wrong length. */
export function parsePositions(value: Uint8Array): Position[] {
  if (value.length % POSITION_SIZE !== 0) throw new RangeError("positions of a wrong length");
  const reader = new Reader(value);
  return Array.from({ length: value.length / POSITION_SIZE }, () => ({ sealer: reader.u32(), counter: reader.u48() }));
}
