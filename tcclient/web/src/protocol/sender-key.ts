/**
 * End-to-end keys: sender keys, the keys of publications, key boxes.
 *
 * The sender key of a member goes to every other member in a key box. Each publication has a key of its own, derived from the
 * sender key. Stream ids would not be enough to tell publications apart: the server assigns them, and one that it assigned
 * twice would repeat headers under one key.
 */

import { concat, equal, Reader, utf8, Writer } from "./bytes.js";
import { CryptoFailure } from "./errors.js";
import { ROOM_HASH_SIZE, roomHash } from "./membership.js";
import type { Kind, Source } from "./messages.js";
import { LIFE_ID_SIZE } from "./messages/types.js";
import { blake2b, KEY_SIZE, NONCE_SIZE, openSecretbox, secretbox, TAG_SIZE } from "./sodium.js";

/** After so many ratchets a new sender key is due. The field would hold 255. */
export const MAX_GENERATION = 250;
/** Seconds after which a sender key goes to the next generation, even if nobody joined. */
export const RATCHET_PERIOD = 600.0;
/** The most streams in a key box, so that it fits its field, 512 bytes. */
export const MAX_FIRST_SEQUENCES = 28;
/** Kinds and sources of later versions count as 0. */
export const KIND_CODES: Readonly<Record<Kind, number>> = { audio: 1, video: 2, data: 3, unknown: 0 };
export const SOURCE_CODES: Readonly<Record<Source, number>> = {
  microphone: 1,
  camera: 2,
  screen: 3,
  screen_audio: 4,
  data: 5,
  microphone_low: 6,
  unknown: 0,
};
const RATCHET_LABEL = utf8("tc ratchet v1");
const STREAM_LABEL = utf8("tc stream v1");
const COMMITMENT_LABEL = utf8("tc commitment v2");
const BOX_LABEL = utf8("tc key box v2\0\0\0");
const SCHEME_SENDER_KEYS = 1;
const BOX_SIZE = BOX_LABEL.length + LIFE_ID_SIZE + ROOM_HASH_SIZE + 4 * KEY_SIZE + 1 + 1 + 4 + 1 + KEY_SIZE + 1;
const FIRST_SIZE = 9;

/** What a publication key is derived from, together with the sender key and the life of the room. */
export interface PublicationId {
  readonly number: number;
  readonly kind: number;
  readonly source: number;
}

/** The sender key of a member at one generation. `number` (u32) grows by one with every new key. */
export class SenderKey {
  constructor(
    readonly number: number,
    readonly generation: number,
    readonly key: Uint8Array,
  ) {}

  /**
   * Return the key at `generation`, by default the next. There is no way back.
   *
   * Throws `RangeError` for a generation before this one or above `MAX_GENERATION`.
   */
  ratcheted(generation = this.generation + 1): SenderKey {
    if (generation < this.generation || generation > MAX_GENERATION) {
      throw new RangeError(`cannot ratchet from generation ${this.generation} to ${generation}`);
    }
    let { key } = this;
    for (let i = this.generation; i < generation; i++) key = blake2b(KEY_SIZE, RATCHET_LABEL, { key });
    return new SenderKey(this.number, generation, key);
  }

  /** Return the key of a publication: BLAKE2b keyed with the sender key over label, life id, number, codes. */
  publicationKey(life: Uint8Array, { number, kind, source }: PublicationId): Uint8Array {
    const codes = new Writer(6).u32(number).u8(kind).u8(source).bytes;
    return blake2b(KEY_SIZE, concat(STREAM_LABEL, life, codes), { key: this.key });
  }

  /** Return 32 bytes for beacons. They say which key this is without telling it; no second key has the same. */
  commitment(): Uint8Array {
    return blake2b(32, COMMITMENT_LABEL, { key: this.key });
  }
}

/** The lowest valid sequence number of a layer of a publication. A receiver takes lower ones for replays. */
export interface FirstSequence {
  readonly publication: number;
  readonly spatial: number;
  readonly sequence: number;
}

/** Sender or recipient of a key box: its device identity and the box key of its seat, both public. */
export interface Party {
  readonly deviceKey: Uint8Array;
  readonly boxKey: Uint8Array;
}

/** Tell whether two are the same seat of the same device. */
export function isSameParty(a: Party, b: Party | undefined): boolean {
  return b !== undefined && equal(a.deviceKey, b.deviceKey) && equal(a.boxKey, b.boxKey);
}

/** What the recipient of a key box knows already, and compares with the box. */
export interface BoxContext {
  readonly life: Uint8Array;
  /** Folded name of the room. */
  readonly room: string;
  readonly e2ee: boolean;
  readonly sender: Party;
  readonly recipient: Party;
}

/** The content of a key box. */
export interface OpenedBox {
  readonly senderKey: SenderKey;
  readonly firstSequences: readonly FirstSequence[];
}

/** Return nonce and box. `shared` is the key of the pair, `nonce` is 24 random bytes. */
export function sealKeyBox(context: BoxContext, opened: OpenedBox, shared: Uint8Array, nonce: Uint8Array): Uint8Array {
  const { senderKey, firstSequences } = opened;
  if (firstSequences.length > MAX_FIRST_SEQUENCES) {
    throw new RangeError(`${firstSequences.length} first sequences do not fit a key box`);
  }
  const writer = new Writer(BOX_SIZE + firstSequences.length * FIRST_SIZE).put(bound(context));
  writer.u32(senderKey.number).u8(senderKey.generation).put(senderKey.key).u8(firstSequences.length);
  for (const first of firstSequences) writer.u32(first.publication).u8(first.spatial).u32(first.sequence);
  return concat(nonce, secretbox(writer.bytes, nonce, shared));
}

/**
 * Open a key box and check every field of it.
 *
 * A box is symmetric: one that is sent back to its maker opens too. So the fields say who made it for whom. Throws
 * `CryptoFailure` where it does not open, or where anything in it differs from `context`.
 */
export function openKeyBox(context: BoxContext, box: Uint8Array, shared: Uint8Array): OpenedBox {
  if (box.length < NONCE_SIZE + TAG_SIZE) throw new CryptoFailure("the key box is too short");
  const text = openSecretbox(box.subarray(NONCE_SIZE), box.subarray(0, NONCE_SIZE), shared);
  if (text.length < BOX_SIZE) throw new CryptoFailure("the key box is malformed");
  const reader = new Reader(text);
  const expected = bound(context);
  if (!equal(reader.take(expected.length), expected)) {
    throw new CryptoFailure("the key box was made for something else");
  }
  const [number, generation] = [reader.u32(), reader.u8()];
  const key = reader.take(KEY_SIZE).slice();
  const count = reader.u8();
  if (generation > MAX_GENERATION || reader.left !== count * FIRST_SIZE) {
    throw new CryptoFailure("the key box is malformed");
  }
  const firstSequences = Array.from({ length: count }, () => ({
    publication: reader.u32(),
    spatial: reader.u8(),
    sequence: reader.u32(),
  }));
  return { senderKey: new SenderKey(number, generation, key), firstSequences };
}

/** Return the front of a key box, which binds it to its room, its maker and its recipient. */
function bound({ life, room, e2ee, sender, recipient }: BoxContext): Uint8Array {
  const parties = [sender.deviceKey, sender.boxKey, recipient.deviceKey, recipient.boxKey];
  return concat(BOX_LABEL, life, roomHash(room), ...parties, Uint8Array.of(SCHEME_SENDER_KEYS, Number(e2ee)));
}
