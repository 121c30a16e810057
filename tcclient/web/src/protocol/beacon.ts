/**
 * Beacons: what each member tells all others every ten seconds, signed by its device.
 *
 * The body of a packet of type beacon is not sealed. It is the payload, then the signature. The payload, big-endian:
 *
 *     0       version, 2
 *     1-16    hash of the member set that the sender has
 *     17-20   number of the sender key in use, 0 where there is none
 *     21      its generation
 *     22-53   commitment to the key at this generation, zeros where there is none
 *     54      number of clock mappings
 *     then for each: stream id 2, media timestamp 4, time 8 (monotonic µs of the sender)
 *
 * All mappings of a member are in one clock, so that its audio and video can be played in step. A payload may be longer than
 * this version knows; the rest is ignored. Nothing in it is secret. Only the device can make it.
 */

import { concat, Reader, utf8, Writer } from "./bytes.js";
import { CryptoFailure } from "./errors.js";
import { COMMON_HEADER_SIZE, KEY_NUMBER_BITS, PacketType, packHeader, parseHeader } from "./packet.js";
import { MAX_GENERATION } from "./sender-key.js";
import { wrapped } from "./serial.js";
import { SIGNATURE_SIZE, verifyDetached } from "./sodium.js";

/** Seconds between beacons of one member, in rooms of up to 500. */
export const BEACON_INTERVAL = 10.0;
/** The least seconds between two beacons of one member, even when there is news. */
export const BEACON_SPACING = 1.0;
/** The most beacons in a second of all members together. */
export const ROOM_BEACONS = 50;
/** Seconds after the start of a stream or of a path at which a beacon is sent. Three, because one may be lost. */
export const BEACON_STARTS = [0.0, 1.0, 3.0] as const;
/** A member is silent after so many intervals without a beacon. Two beacons may be lost. */
export const SILENT_INTERVALS = 3;
/** The most streams in one beacon: more than a member may publish. */
export const MAX_CLOCKS = 32;
export const NO_COMMITMENT = new Uint8Array(32);
const VERSION = 2;
const LABEL = utf8("tc beacon v2\0");
const HEAD_SIZE = 55;
const CLOCK_SIZE = 14;

/** Return the seconds between beacons of one member in a room of `members`. */
export function beaconInterval(members: number): number {
  return Math.max(BEACON_INTERVAL, members / ROOM_BEACONS);
}

/** Return the least seconds between two beacons of one member in a room of `members`. */
export function beaconSpacing(members: number): number {
  return Math.max(BEACON_SPACING, members / ROOM_BEACONS);
}

/** A moment of a stream, in the clock of the stream and in that of its sender. */
export interface ClockMapping {
  readonly stream: number;
  /** Media timestamp of the stream, u32. */
  readonly timestamp: number;
  /** Monotonic µs of the sender. */
  readonly time: number;
}

/** The content of a beacon. */
export interface Beacon {
  /** 16 bytes, see `memberSetHash`. */
  readonly memberSet: Uint8Array;
  /** Number of the sender key in use, u32; 0 where there is none. */
  readonly keyNumber: number;
  readonly generation: number;
  /** 32 bytes, see `SenderKey.commitment`; `NO_COMMITMENT` where there is no key. */
  readonly commitment: Uint8Array;
  readonly clocks: readonly ClockMapping[];
}

/** The seat that sends a beacon. It is signed, so a beacon is good for one seat in one life on one server. */
export interface BeaconContext {
  /** 20 bytes, of the server. */
  readonly fingerprint: Uint8Array;
  readonly life: Uint8Array;
  readonly boxKey: Uint8Array;
}

/** Return the payload. Throws `RangeError` for more than `MAX_CLOCKS` mappings or a number out of range. */
export function packBeacon(beacon: Beacon): Uint8Array {
  const { memberSet, keyNumber, generation, commitment, clocks } = beacon;
  if (clocks.length > MAX_CLOCKS) throw new RangeError("a beacon with too many clock mappings");
  const writer = new Writer(HEAD_SIZE + clocks.length * CLOCK_SIZE).u8(VERSION).put(memberSet).u32(keyNumber);
  writer.u8(generation).put(commitment).u8(clocks.length);
  for (const clock of clocks) writer.u16(clock.stream).u32(clock.timestamp).u64(BigInt(clock.time));
  return writer.bytes;
}

/** Parse the payload of a beacon. Throws `RangeError` where it is cut off, out of range, or of another version. */
export function parseBeacon(payload: Uint8Array): Beacon {
  const reader = new Reader(payload);
  if (reader.u8() !== VERSION) throw new RangeError("beacon of another version");
  const memberSet = reader.take(16).slice();
  const [keyNumber, generation] = [reader.u32(), reader.u8()];
  const commitment = reader.take(32).slice();
  const count = reader.u8();
  if (generation > MAX_GENERATION) throw new RangeError("beacon with a generation that no key reaches");
  if (count > MAX_CLOCKS) throw new RangeError("beacon with too many clock mappings");
  const clocks = Array.from({ length: count }, () => ({
    stream: reader.u16(),
    timestamp: reader.u32(),
    time: Number(reader.u64()),
  }));
  return { memberSet, keyNumber, generation, commitment, clocks };
}

/** A beacon before its device has signed it. */
export interface UnsignedBeacon {
  /** Header and payload of the packet; the signature goes behind them. */
  readonly front: Uint8Array;
  /** What the device signs. */
  readonly signed: Uint8Array;
}

/** Return a beacon to be signed; `timestamp` is the sender's clock in µs, modulo 2^32. Throws as `packBeacon`. */
export function unsignedBeacon(
  beacon: Beacon,
  stream: number,
  sequence: number,
  timestamp: number,
  context: BeaconContext,
): UnsignedBeacon {
  const keyNumber = wrapped(beacon.keyNumber, KEY_NUMBER_BITS);
  const { generation } = beacon;
  const header = packHeader({ type: PacketType.BEACON, stream, keyNumber, generation, sequence, timestamp });
  const front = concat(header, packBeacon(beacon));
  return { front, signed: signedText(context, front) };
}

/**
 * Return the beacon in a packet of that type.
 *
 * Throws `CryptoFailure` where the device did not sign it for this seat, `RangeError` where it is malformed.
 */
export function openBeacon(packet: Uint8Array, context: BeaconContext, deviceKey: Uint8Array): Beacon {
  const end = Math.max(COMMON_HEADER_SIZE, packet.length - SIGNATURE_SIZE);
  const front = packet.subarray(0, end);
  if (!verifyDetached(deviceKey, signedText(context, front), packet.subarray(end))) {
    throw new CryptoFailure("the beacon is not signed by the device of its seat");
  }
  const beacon = parseBeacon(front.subarray(COMMON_HEADER_SIZE));
  const header = parseHeader(packet);
  if (header.keyNumber !== wrapped(beacon.keyNumber, KEY_NUMBER_BITS) || header.generation !== beacon.generation) {
    throw new RangeError("beacon with another key in its header");
  }
  return beacon;
}

function signedText({ fingerprint, life, boxKey }: BeaconContext, front: Uint8Array): Uint8Array {
  return concat(LABEL, fingerprint, life, boxKey, front);
}
