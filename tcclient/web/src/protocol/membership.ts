/** Proofs of who is in a room: member signatures, the hash of the member set, the safety code. */

import { compare, concat, hex, Reader, utf8, Writer } from "./bytes.js";
import { blake2b, verifyDetached } from "./sodium.js";

const MEMBER_LABEL = utf8("tc member v2\0");
const SET_LABEL = utf8("tc member set v2\0");
const ROOM_LABEL = utf8("tc room v1\0");
const SAFETY_LABEL = utf8("tc safety v2\0");
const GROUPS = 6;
export const ROOM_HASH_SIZE = 16;

/** What a member signs with its device identity. So a server cannot swap names or replay an old key. */
export interface MemberStatement {
  /** 20 bytes, of the server. */
  readonly fingerprint: Uint8Array;
  readonly life: Uint8Array;
  /** Folded name of the room. So a server cannot show the life of one room as that of another. */
  readonly room: string;
  readonly account: string;
  readonly name: string;
  readonly boxKey: Uint8Array;
  /** Unix time in ms. */
  readonly signedAt: bigint;
}

/** Return the signed bytes: label, then the fields. Strings are UTF-8 behind a length of 2 bytes. */
export function statementText(statement: MemberStatement): Uint8Array {
  return concat(
    MEMBER_LABEL,
    statement.fingerprint,
    statement.life,
    str16(statement.room),
    str16(statement.account),
    str16(statement.name),
    statement.boxKey,
    new Writer(8).u64(statement.signedAt).bytes,
  );
}

/** Tell whether the device identity made the signature. Never throws. */
export function verifyMember(statement: MemberStatement, signature: Uint8Array, deviceKey: Uint8Array): boolean {
  return verifyDetached(deviceKey, statementText(statement), signature);
}

/** Return 16 bytes for the folded name of a room. They stand for it in boxes that must be equally long. */
export function roomHash(folded: string): Uint8Array {
  return blake2b(ROOM_HASH_SIZE, concat(ROOM_LABEL, utf8(folded)));
}

/** A seat as the hashes of the member set have it. */
export interface HashedSeat {
  readonly account: string;
  readonly deviceKey: Uint8Array;
  readonly boxKey: Uint8Array;
}

/** Return 16 bytes over life, folded room name and the sorted (account, device key, box key) of all seats. */
export function memberSetHash(life: Uint8Array, room: string, seats: readonly HashedSeat[]): Uint8Array {
  const sorted = [...seats].sort((a, b) => compareSeats(a, b) || compare(a.boxKey, b.boxKey));
  const parts = sorted.map((seat) => concat(str16(seat.account), seat.deviceKey, seat.boxKey));
  return blake2b(16, concat(SET_LABEL, life, str16(room), ...parts));
}

/** What a safety code stands for besides the devices. */
export interface SafetyContext {
  readonly life: Uint8Array;
  /** Folded name of the room. */
  readonly room: string;
  readonly e2ee: boolean;
  /** Of the server. */
  readonly fingerprint: Uint8Array;
}

type Device = Pick<HashedSeat, "account" | "deviceKey">;

/**
 * Return 30 digits in 6 groups. All members who see the same room, mode, server and devices get the same.
 *
 * A device with two seats counts once. Each group is 5 bytes of a BLAKE2b digest, big-endian, modulo 100,000.
 */
export function safetyCode(context: SafetyContext, devices: readonly Device[]): string {
  const { life, room, e2ee, fingerprint } = context;
  const distinct = new Map(devices.map((device) => [`${hex(device.deviceKey)} ${device.account}`, device]));
  const parts = [...distinct.values()].sort(compareSeats).map((one) => concat(str16(one.account), one.deviceKey));
  const head = concat(SAFETY_LABEL, life, Uint8Array.of(Number(e2ee)), fingerprint, str16(room));
  const reader = new Reader(blake2b(5 * GROUPS, concat(head, ...parts)));
  const groups = Array.from({ length: GROUPS }, () => (reader.u8() * 2 ** 32 + reader.u32()) % 100_000);
  return groups.map((group) => String(group).padStart(5, "0")).join(" ");
}

/** Names stand in the order of their code points, which is that of their bytes in UTF-8. */
function compareSeats(a: Device, b: Device): number {
  return compare(utf8(a.account), utf8(b.account)) || compare(a.deviceKey, b.deviceKey);
}

/** Return a text behind its length in UTF-8, in two bytes. */
export function str16(text: string): Uint8Array {
  const data = utf8(text);
  return concat(new Writer(2).u16(data.length).bytes, data);
}
