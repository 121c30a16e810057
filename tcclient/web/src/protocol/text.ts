/**
 * Sealed texts of end-to-end encrypted rooms: to the room under a key made of the sender key, to one member in a box.
 *
 * A sealed text begins with a byte for version and form, so that one form cannot be taken for the other:
 *
 * - room: form 1, key number 4, generation 1, sequence number 4, secretbox (the header is the nonce)
 * - private: form 1, nonce 24, crypto_box
 */

import { concat, equal, Reader, textOf, utf8, Writer } from "./bytes.js";
import { CryptoFailure } from "./errors.js";
import { CHAT_TEXT, MAX_TEXT_BYTES, MAX_TEXT_CHARS } from "./messages/types.js";
import type { Party, SenderKey } from "./sender-key.js";
import { blake2b, KEY_SIZE, NONCE_SIZE, openSecretbox, secretbox, TAG_SIZE } from "./sodium.js";

/** A sealed text is padded to a multiple of this: the length of an answer tells much of its content. */
export const TEXT_PADDING_STEP = 64;
/** The highest number that the field holds. A seat that reached it sends no more texts to the room. */
export const MAX_TEXT_SEQUENCE = 2 ** 32 - 1;
/** Version 1, to the room. */
export const ROOM_FORM = 0x11;
/** Version 1, to one member. */
export const PRIVATE_FORM = 0x12;
const KEY_LABEL = utf8("tc text v1\0");
const BOX_LABEL = utf8("tc text box v1\0\0");
const HEADER_SIZE = 10;
const NOTE_SIZE = 30;

/** The clear header of a text to the room. With zeros behind it, it is the nonce. */
export interface TextHeader {
  /** The whole number of the sender key, u32. */
  readonly number: number;
  readonly generation: number;
  /** Number of the text among those to the room of this seat, from 1, through all keys. */
  readonly sequence: number;
}

/** The content of a sealed text. */
export interface Note {
  /** 16 bytes, the same as in the message around it. */
  readonly messageId: Uint8Array;
  /** Sequence number of the last text before this one that was not refused; 0 for none. It shows a receiver a gap. */
  readonly previous: number;
  /** Unix time in ms by the sender's clock. */
  readonly writtenAt: number;
  readonly text: string;
}

/** Sender, recipient, room and life of a private text. The recipient compares them with those in the box. */
export interface TextContext {
  readonly life: Uint8Array;
  /** `roomHash` of the folded name of the room. */
  readonly room: Uint8Array;
  readonly sender: Party;
  readonly recipient: Party;
}

/** Throw `RangeError` for a text that is too long or has control characters, lone surrogates included. */
export function checkText(text: string): void {
  if (!CHAT_TEXT.fits(text)) {
    throw new RangeError(
      `a text has at most ${MAX_TEXT_CHARS} characters and ${MAX_TEXT_BYTES} bytes, and no control characters`,
    );
  }
}

/**
 * Return the key of the texts of a member to the room, under a sender key at its generation.
 *
 * It depends on the sender. So nobody can pass off the key of another member, and its texts, as their own.
 */
export function textKey(key: SenderKey, life: Uint8Array, sender: Party): Uint8Array {
  return blake2b(KEY_SIZE, concat(KEY_LABEL, life, sender.deviceKey, sender.boxKey), { key: key.key });
}

/** Return header and box. `key` is the `textKey`. Throws `RangeError` as `checkText`. */
export function sealRoomText(header: TextHeader, note: Note, key: Uint8Array): Uint8Array {
  const { number, generation, sequence } = header;
  const data = new Writer(HEADER_SIZE).u8(ROOM_FORM).u32(number).u8(generation).u32(sequence).bytes;
  return concat(data, secretbox(packed(note), data, key));
}

/** Return the header of a text to the room. Throws `CryptoFailure` where it has another form or is cut off. */
export function parseTextHeader(sealed: Uint8Array): TextHeader {
  if (sealed.length < HEADER_SIZE + TAG_SIZE || sealed[0] !== ROOM_FORM) throw new CryptoFailure("no text to the room");
  const reader = new Reader(sealed, 1);
  return { number: reader.u32(), generation: reader.u8(), sequence: reader.u32() };
}

/** Open a text to the room. Throws `CryptoFailure` where it does not open, or its content is malformed. */
export function openRoomText(sealed: Uint8Array, key: Uint8Array): Note {
  parseTextHeader(sealed);
  return unpacked(openSecretbox(sealed.subarray(HEADER_SIZE), sealed.subarray(0, HEADER_SIZE), key));
}

/**
 * Return form, nonce and box. `shared` is the key of the pair, `nonce` is 24 random bytes.
 *
 * `sequence` is the number of the text among those of this seat to the seat of the recipient, from 1. Throws `RangeError` as
 * `checkText`.
 */
export function sealPrivateText(
  context: TextContext,
  sequence: number,
  note: Note,
  shared: Uint8Array,
  nonce: Uint8Array,
): Uint8Array {
  const names = concat(bound(context), new Writer(4).u32(sequence).bytes);
  return concat(Uint8Array.of(PRIVATE_FORM), nonce, secretbox(packed(note, names), nonce, shared));
}

/**
 * Open a private text and check every name in it. Return its sequence number and its note.
 *
 * A box is symmetric: one that is sent back to its maker opens too. So the names say who made it for whom. Throws
 * `CryptoFailure` where it does not open, or where anything in it differs from `context`.
 */
export function openPrivateText(
  context: TextContext,
  sealed: Uint8Array,
  shared: Uint8Array,
): { readonly sequence: number; readonly note: Note } {
  const start = 1 + NONCE_SIZE;
  if (sealed.length < start + TAG_SIZE || sealed[0] !== PRIVATE_FORM) throw new CryptoFailure("no private text");
  const data = openSecretbox(sealed.subarray(start), sealed.subarray(1, start), shared);
  const expected = bound(context);
  if (data.length < expected.length + 4 || !equal(data.subarray(0, expected.length), expected)) {
    throw new CryptoFailure("the private text was made for something else");
  }
  const sequence = new Reader(data, expected.length).u32();
  return { sequence, note: unpacked(data, expected.length + 4) };
}

/** Return the front of a private text, which binds it to its room, its maker and its recipient. */
function bound({ life, room, sender, recipient }: TextContext): Uint8Array {
  return concat(BOX_LABEL, life, room, sender.deviceKey, sender.boxKey, recipient.deviceKey, recipient.boxKey);
}

function packed(note: Note, names: Uint8Array = new Uint8Array(0)): Uint8Array {
  checkText(note.text);
  const text = utf8(note.text);
  const size = names.length + NOTE_SIZE + text.length;
  const padded = Math.ceil(size / TEXT_PADDING_STEP) * TEXT_PADDING_STEP;
  const writer = new Writer(padded).put(names).put(note.messageId).u32(note.previous).u64(BigInt(note.writtenAt));
  return writer.u16(text.length).put(text).bytes;
}

/** Return the note at `start`. The padding has to be zeros, and no more of them than the step asks for. */
function unpacked(data: Uint8Array, start = 0): Note {
  try {
    const reader = new Reader(data, start);
    const [messageId, previous, writtenAt] = [reader.take(16).slice(), reader.u32(), Number(reader.u64())];
    const text = textOf(reader.take(reader.u16()));
    checkText(text);
    if (reader.left !== (-reader.at & (TEXT_PADDING_STEP - 1)))
      throw new RangeError("more padding than the step asks for");
    if (reader.take(reader.left).some((byte) => byte !== 0)) throw new RangeError("padding that is not zero");
    return { messageId, previous, writtenAt, text };
  } catch (error) {
    throw new CryptoFailure(`the text is malformed: ${error instanceof Error ? error.message : ""}`);
  }
}
