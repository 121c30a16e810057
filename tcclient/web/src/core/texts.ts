/** Texts of a seat: what we write, sealed where the room is end-to-end encrypted, and what the others write. */

import { equal, hex, utf8 } from "../protocol/bytes.js";
import { CryptoFailure, Refusal } from "../protocol/errors.js";
import { roomHash } from "../protocol/membership.js";
import { Chat, type ChatMessage, type ChatScope, type Limits, MESSAGE_ID_SIZE } from "../protocol/messages.js";
import type { Party } from "../protocol/sender-key.js";
import { NONCE_SIZE } from "../protocol/sodium.js";
import {
  checkText,
  MAX_TEXT_SEQUENCE,
  type Note,
  openPrivateText,
  parseTextHeader,
  sealPrivateText,
  sealRoomText,
  type TextContext,
  textKey,
} from "../protocol/text.js";
import type { Drop, Drops } from "./drops.js";
import { type ChatReceived, type Emit, labelOf } from "./events.js";
import type { SenderKeys } from "./keys/own-key.js";
import type { MemberKeys } from "./keys/member-keys.js";
import { MAX_MEMBERS, type RoomState } from "./membership/roster.js";
import { NEVER, type Timers } from "./timers.js";

/** Seconds for which a text waits for its sender or its key: a snapshot may have to be asked for, as for key boxes. */
export const TEXT_HOLD = 5.0;
/** Texts that wait, half a megabyte at most; the oldest go first. */
export const MAX_HELD_TEXTS = 64;
/** Texts remembered, so that one sent again is not shown again: hours of a lively meeting. */
export const MAX_SHOWN_TEXTS = 1024;
/** Sequences of others followed, two for each box key; beyond that those of members who have left are forgotten. */
export const MAX_COUNTED = 4 * MAX_MEMBERS;

/** Which texts were shown, by who sent them and message id; outlives a seat. */
export class ShownTexts {
  readonly #shown = new Set<string>();

  /** Tell whether it was not shown before, and remember it; the oldest is forgotten. */
  isNew(sender: string, messageId: Uint8Array): boolean {
    const key = `${sender} ${hex(messageId)}`;
    if (this.#shown.has(key)) return false;
    this.#shown.add(key);
    for (const oldest of this.#shown) {
      if (this.#shown.size > MAX_SHOWN_TEXTS) this.#shown.delete(oldest);
      else break;
    }
    return true;
  }
}

/** The place of a text of ours among those to the same receivers. */
interface Place {
  readonly sequence: number;
  /** The sequence number of the text before it which was not refused. */
  readonly previous: number;
}

/** Our texts to the room, or to one recipient. */
class Line {
  #sequence = 0;
  #standing = 0;

  next(): Place {
    if (this.#sequence >= MAX_TEXT_SEQUENCE) {
      throw new Refusal("internal", "the seat has used up its sequence numbers");
    }
    const previous = this.#standing;
    this.#sequence++;
    this.#standing = this.#sequence;
    return { sequence: this.#sequence, previous };
  }

  /** Note that nobody got a text. If another was sent meanwhile, its number has told of the gap already. */
  refused({ sequence, previous }: Place): void {
    if (this.#standing === sequence) this.#standing = previous;
  }
}

interface HeldText {
  readonly cameAt: number;
  readonly message: ChatMessage;
}

/** What `Texts` works with. */
interface Surroundings {
  readonly room: RoomState;
  /** Our device and box key. */
  readonly own: Party;
  /** The verified members, kept up to date by the owner, who calls `retry` after changing them and after key boxes. */
  readonly memberKeys: ReadonlyMap<number, MemberKeys>;
  readonly keys: SenderKeys;
  readonly shown: ShownTexts;
  readonly limits: Limits;
  readonly randomBytes: (size: number) => Uint8Array;
  readonly emit: Emit;
  readonly drops: Drops;
  readonly timers: Timers;
}

/** What a text is, and whom it goes to. */
export interface NewText {
  /** It has passed `Texts.check`. */
  readonly text: string;
  readonly scope: ChatScope;
  /** The receiver of a private text, else 0. */
  readonly participant: number;
  /** The wall clock. */
  readonly unixMs: number;
}

/** Makes texts to send, and takes those that come; what is to be shown goes to `emit`. */
export class Texts {
  readonly #around: Surroundings;
  readonly #roomHash: Uint8Array;
  readonly #toRoom = new Line();
  /** By the recipient's box key. */
  readonly #toOne = new Map<string, Line>();
  /** By message id; as many as requests may wait for a reply. */
  readonly #unanswered = new Map<string, { readonly line: Line; readonly place: Place }>();
  /**
   * Highest sequence number that opened, by box key of the sender and whether the text was private. Kept when the sender
   * leaves, against replays.
   */
  readonly #newest = new Map<string, number>();
  #held: HeldText[] = [];

  constructor(around: Surroundings) {
    this.#around = around;
    this.#roomHash = roomHash(around.room.room.name);
  }

  /** Throw `RangeError` for a text beyond the server's limits, or with control characters. */
  check(text: string): void {
    checkText(text);
    const { textChars, textBytes } = this.#around.limits;
    if ([...text].length > textChars || utf8(text).length > textBytes) {
      throw new RangeError(`a text has at most ${textChars} characters and ${textBytes} bytes`);
    }
  }

  /**
   * Return the request for a text; the key boxes that collect meanwhile must be sent before it.
   *
   * Throws `Refusal` for a private text to somebody who is not there or not verified.
   */
  compose(text: NewText, now: number): Chat {
    const { room, randomBytes } = this.#around;
    const { scope, participant } = text;
    const messageId = randomBytes(MESSAGE_ID_SIZE);
    if (scope === "server" || !room.room.e2ee) return Chat.make({ messageId, scope, text: text.text, participant });
    const sealed =
      scope === "participant" ? this.#sealedForOne(text, messageId) : this.#sealedForRoom(text, messageId, now);
    return Chat.make({ messageId, scope, participant, sealed });
  }

  /** Take the reply to a text. */
  answered(messageId: Uint8Array, accepted: boolean): void {
    const sent = this.#unanswered.get(hex(messageId));
    this.#unanswered.delete(hex(messageId));
    if (sent !== undefined && !accepted) sent.line.refused(sent.place);
  }

  /** Take a text: show it, let it wait for its sender or its key, or drop and count it. */
  receive(message: ChatMessage, now: number): void {
    const { room, shown, emit } = this.#around;
    if (message.scope === "server") emit(notice(message));
    else if (room.room.e2ee) {
      if (!this.#open(message, now)) this.#hold(message, now);
    } else if (message.sealed.length > 0 || message.scope === "unknown") {
      this.#drop("text");
    } else if (shown.isNew(String(message.participant), message.messageId)) {
      emit(received(message, { name: message.name, text: message.text, at: Number(message.sentAt), sealed: false }));
    }
  }

  /** Look again at the texts that wait. */
  retry(now: number): void {
    const held = this.#held;
    this.#held = [];
    for (const text of held) {
      if (this.#open(text.message, now)) continue;
      if (now < text.cameAt + TEXT_HOLD) this.#held.push(text);
      else this.#drop("no_key");
    }
    this.#setDeadline();
  }

  #sealedForOne(text: NewText, messageId: Uint8Array): Uint8Array {
    const { own, randomBytes } = this.#around;
    const { member, shared } = this.#recipient(text.participant);
    const place = this.#placed(this.#lineTo(member), messageId);
    const context = this.#context(own, member.party);
    const note = noteOf(text, messageId, place);
    return sealPrivateText(context, place.sequence, note, shared, randomBytes(NONCE_SIZE));
  }

  #sealedForRoom(text: NewText, messageId: Uint8Array, now: number): Uint8Array {
    const { room, own, keys } = this.#around;
    const key = keys.forText(now);
    const place = this.#placed(this.#toRoom, messageId);
    const header = { number: key.number, generation: key.generation, sequence: place.sequence };
    return sealRoomText(header, noteOf(text, messageId, place), textKey(key, room.room.life, own));
  }

  /** Return the next place in a line, which is given back if the text is refused. */
  #placed(line: Line, messageId: Uint8Array): Place {
    const place = line.next();
    this.#unanswered.set(hex(messageId), { line, place });
    return place;
  }

  #drop(reason: Drop): true {
    this.#around.drops.add(reason);
    return true;
  }

  #hold(message: ChatMessage, now: number): void {
    this.#held.push({ cameAt: now, message });
    if (this.#held.length > MAX_HELD_TEXTS) {
      this.#held.shift();
      this.#drop("no_key");
    }
    this.#setDeadline();
  }

  #setDeadline(): void {
    const oldest = this.#held[0];
    const due = oldest === undefined ? NEVER : oldest.cameAt + TEXT_HOLD;
    this.#around.timers.set("texts", due, (now) => this.retry(now));
  }

  /** Return who gets a private text, and the shared key of the pair. */
  #recipient(participant: number): { readonly member: MemberKeys; readonly shared: Uint8Array } {
    const { memberKeys, room } = this.#around;
    const member = memberKeys.get(participant);
    if (member === undefined && participant === room.own) throw new Refusal("bad_request", "a text to oneself");
    if (member === undefined && !room.members.has(participant)) throw new Refusal("no_such_participant");
    try {
      if (member !== undefined) return { member, shared: member.shared() };
    } catch (error) {
      if (!(error instanceof CryptoFailure)) throw error;
    }
    throw new Refusal("not_permitted", "the recipient is not verified, so nothing can be sealed for it");
  }

  #lineTo(member: MemberKeys): Line {
    const key = hex(member.party.boxKey);
    const line = this.#toOne.get(key) ?? new Line();
    this.#toOne.set(key, line);
    return line;
  }

  /** Open a text and show it, or drop it; false where its sender or its key may still come. */
  #open(message: ChatMessage, now: number): boolean {
    const { memberKeys, room } = this.#around;
    if (message.text !== "" || message.sealed.length === 0) return this.#drop("plain_text");
    if (message.scope === "unknown") return this.#drop("text");
    if (message.participant === room.own) return this.#drop("own");
    const member = memberKeys.get(message.participant);
    if (member === undefined) return room.members.has(message.participant) && this.#drop("unverified");
    try {
      return this.#openFrom(member, message, now);
    } catch (error) {
      if (!(error instanceof CryptoFailure)) throw error;
      return this.#drop("text");
    }
  }

  /** Throws `CryptoFailure` for what is not new or does not open. */
  #openFrom(member: MemberKeys, message: ChatMessage, now: number): boolean {
    const isPrivate = message.scope === "participant";
    const opened = isPrivate
      ? openPrivateText(this.#context(member.party, this.#around.own), message.sealed, member.shared())
      : openToRoom(member, message.sealed, now);
    if (opened === undefined) return false;
    const { sequence, note } = opened;
    if (!equal(note.messageId, message.messageId)) throw new CryptoFailure("the message id is another one");
    this.#count(member, isPrivate, sequence, note.previous);
    const shown = this.#around.room.members.get(member.id);
    if (this.#around.shown.isNew(hex(member.party.deviceKey), note.messageId)) {
      const name = shown === undefined ? "" : labelOf(shown);
      this.#around.emit(received(message, { name, text: note.text, at: note.writtenAt, sealed: true }));
    }
    return true;
  }

  /**
   * Commit a sequence number that opened, and tell of a gap before it; throws `CryptoFailure` for an old one.
   *
   * A newcomer begins with the first text to the room that it sees; private texts begin with the pair.
   */
  #count(member: MemberKeys, isPrivate: boolean, sequence: number, previous: number): void {
    const slot = `${hex(member.party.boxKey)} ${isPrivate}`;
    const newest = this.#newest.get(slot) ?? 0;
    if (sequence <= newest) throw new CryptoFailure("the text is not new");
    if (previous > newest && (newest > 0 || isPrivate))
      this.#around.emit({ type: "textMissing", participant: member.id });
    if (!this.#newest.has(slot) && this.#newest.size >= MAX_COUNTED) this.#forgetOne();
    this.#newest.set(slot, sequence);
  }

  /** Forget the sequence of a member who has left. */
  #forgetOne(): void {
    const present = new Set([...this.#around.memberKeys.values()].map(({ party }) => hex(party.boxKey)));
    for (const slot of this.#newest.keys()) {
      if (present.has(slot.split(" ")[0] ?? "")) continue;
      this.#newest.delete(slot);
      return;
    }
  }

  #context(sender: Party, recipient: Party): TextContext {
    return { life: this.#around.room.room.life, room: this.#roomHash, sender, recipient };
  }
}

function noteOf({ text, unixMs }: NewText, messageId: Uint8Array, { previous }: Place): Note {
  return { messageId, previous, writtenAt: unixMs, text };
}

interface OpenedText {
  readonly sequence: number;
  readonly note: Note;
}

/** Open a text to the room; undefined where its key may still come. Throws `CryptoFailure`. */
function openToRoom(member: MemberKeys, sealed: Uint8Array, now: number): OpenedText | undefined {
  const header = parseTextHeader(sealed);
  const { ring } = member;
  if (ring === undefined || header.number > ring.newestNumber) return undefined;
  return { sequence: header.sequence, note: ring.openText(header, sealed, member.party, now) };
}

/** Return an operator's notice as an event. It has no participant: only the server says who wrote it. */
export function notice(message: ChatMessage): ChatReceived {
  const said = { name: message.name, text: message.text, at: Number(message.sentAt), sealed: false };
  return { ...received(message, said), participant: 0 };
}

interface Said {
  readonly name: string;
  readonly text: string;
  readonly at: number;
  readonly sealed: boolean;
}

function received({ participant, scope, messageId }: ChatMessage, { name, text, at, sealed }: Said): ChatReceived {
  return { type: "chatReceived", participant, name, text, scope, sentAt: at, messageId, sealed };
}
