/** Our own sender key: who has it, when it ratchets, when it is replaced. */

import { CryptoFailure } from "../../protocol/errors.js";
import { MAX_KEYS, MAX_LAYERS, type PublicationId } from "../../protocol/keyring.js";
import type { AddressedBox, KeyReceipt } from "../../protocol/messages.js";
import { KEY_NUMBER_BITS } from "../../protocol/packet.js";
import {
  type FirstSequence,
  MAX_GENERATION,
  type Party,
  RATCHET_PERIOD,
  sealKeyBox,
  SenderKey,
} from "../../protocol/sender-key.js";
import { wrapped } from "../../protocol/serial.js";
import { KEY_SIZE, NONCE_SIZE } from "../../protocol/sodium.js";
import { NEVER } from "../timers.js";
import type { MemberKeys } from "./member-keys.js";

/** Seconds between new keys after leaves, so that a meeting's end is not one key for each member. */
export const LEAVE_SPACING = 2.0;
/** Seconds between new keys after kicks: receivers keep four keys, and three may come while the oldest is in use. */
export const KICK_SPACING = 1.0;
/** Seconds after which a new key is used even if receipts are missing. */
export const ACTIVATION = 3.0;
/** From here on a new key is due, so that newcomers never meet the last generation. */
export const WORN_GENERATION = MAX_GENERATION - 10;
/** Layers announced under one key before a new one is due. */
export const MAX_ANNOUNCED = MAX_LAYERS / 2;

/** What a packet is sealed under, and the header fields that say so. */
export interface SealingKey {
  /** Low 8 bits. */
  readonly number: number;
  readonly generation: number;
  /** Undefined in a room without end-to-end encryption. */
  readonly key: Uint8Array | undefined;
}

/** In a room without end-to-end encryption. */
export const BARE: SealingKey = { number: 0, generation: 0, key: undefined };

/** A key that waits for receipts. */
interface Pending {
  key: SenderKey;
  readonly waiting: Set<number>;
  readonly deadline: number;
  /** Whether a text was sealed under its generation. */
  isUsed: boolean;
}

/** What `SenderKeys` works with. */
interface Surroundings {
  readonly life: Uint8Array;
  /** Folded name of the room. */
  readonly room: string;
  readonly own: Party;
  /** The verified members, kept up to date by the owner, who calls `joined` and `left` after changing them. */
  readonly members: ReadonlyMap<number, MemberKeys>;
  /** Return the lowest valid sequence numbers of our live publications. */
  readonly firstSequences: () => readonly FirstSequence[];
  readonly randomBytes: (size: number) => Uint8Array;
}

/**
 * Makes, boxes, ratchets and replaces our sender key. Boxes collect for `takeBoxes`.
 *
 * No key exists before `start` or the first text: who only listens makes no boxes. Until everybody has acknowledged the first
 * key, or `ACTIVATION` has passed, there is nothing to seal packets under. Who only writes texts makes boxes when a text is
 * sent, not when somebody comes or goes.
 */
export class SenderKeys {
  readonly #around: Surroundings;
  #number = 0;
  #layers = 0;
  #current: SenderKey | undefined;
  #pending: Pending | undefined;
  /** Whether anything was sealed under the current generation. */
  #isUsed = false;
  #isPublishing = false;
  /** Whether a new key is planned. */
  #isStale = false;
  /** Who came while nothing was published, and gets a box with the next text. */
  readonly #owed = new Set<number>();
  #ratchetAt = NEVER;
  #replaceAt = NEVER;
  #madeAt = -NEVER;
  #boxes: AddressedBox[] = [];
  readonly #derived = new Map<number, SealingKey>();

  constructor(around: Surroundings) {
    this.#around = around;
  }

  /** The key in use. */
  get current(): SenderKey | undefined {
    return this.#current;
  }

  /** When `handleTimeout` is due. */
  get nextDeadline(): number {
    return Math.min(this.#ratchetAt, this.#replaceAt, this.#pending?.deadline ?? NEVER);
  }

  /** Become a sender of packets, with a new key; nothing happens where we are one. */
  start(now: number): void {
    if (this.#isPublishing) return;
    this.stop();
    this.#isPublishing = true;
    this.#make(now);
  }

  /** Nothing will be sent for now: forget the keys. */
  stop(): void {
    this.#isPublishing = this.#isStale = false;
    this.#current = this.#pending = undefined;
    this.#ratchetAt = this.#replaceAt = NEVER;
    this.#derived.clear();
    this.#boxes = [];
    this.#owed.clear();
  }

  /** Let a newcomer have our key, but not the past; who only writes does so with the next text. */
  joined(participant: number, now: number): void {
    if (this.#isPublishing) this.#admit(participant, now);
    else if (this.#current !== undefined || this.#pending !== undefined) this.#owed.add(participant);
  }

  /** Plan a new key, which the one who left will not have. */
  left(participant: number, kicked: boolean, now: number): void {
    this.#owed.delete(participant);
    if (this.#current === undefined && this.#pending === undefined) return;
    this.#noLongerWaits(participant, now);
    this.#replace(kicked ? KICK_SPACING : LEAVE_SPACING, now);
  }

  /**
   * Return the key for a text: the newest, which all who are here have once they got our boxes, and nobody else.
   *
   * A new key that is planned is made now. The boxes must be sent before the text.
   */
  forText(now: number): SenderKey {
    if (this.#isStale || (this.#current === undefined && this.#pending === undefined)) this.#make(now);
    const owed = [...this.#owed].sort((a, b) => a - b);
    this.#owed.clear();
    for (const participant of owed) this.#admit(participant, now);
    if (this.#pending !== undefined) {
      this.#pending.isUsed = true;
      return this.#pending.key;
    }
    if (this.#current === undefined) throw new Error("there is a key once one is made");
    this.#isUsed = true;
    return this.#current;
  }

  /** Count the layers of a new publication: receivers track only so many under one key. */
  announced(layers: number, now: number): void {
    this.#layers += layers;
    if (this.#layers > MAX_ANNOUNCED) this.#replace(LEAVE_SPACING, now);
  }

  /** Take receipts of members. */
  receive(receipts: readonly KeyReceipt[], now: number): void {
    for (const { participant, key } of receipts) this.receipt(participant, key, now);
  }

  /** Note that a member has a key; the last receipt puts the new key into use. */
  receipt(participant: number, number: number, now: number): void {
    if (this.#pending?.key.number === number) this.#noLongerWaits(participant, now);
  }

  /** Do what is due: ratchet, make the planned new key, use the pending one. */
  handleTimeout(now: number): void {
    if (this.#pending !== undefined && now >= this.#pending.deadline) this.#activate(now);
    if (now >= this.#replaceAt) this.#make(now);
    if (now < this.#ratchetAt) return;
    if (this.#isPublishing) this.#ratchet(now);
    else this.stop(); // No text for long: the next one is under a new key, and what was written cannot be opened here.
  }

  /** Return what to seal the publication's next packet under; undefined while there is no key in use. */
  sealingKey(publication: PublicationId): SealingKey | undefined {
    let found = this.#derived.get(publication.number);
    if (found === undefined) {
      const current = this.#current;
      if (current === undefined) return undefined;
      const key = current.publicationKey(this.#around.life, publication);
      found = { number: wrapped(current.number, KEY_NUMBER_BITS), generation: current.generation, key };
      this.#derived.set(publication.number, found);
    }
    this.#isUsed = true;
    return found;
  }

  /** Return the boxes that wait to be sent, once. */
  takeBoxes(): AddressedBox[] {
    const boxes = this.#boxes;
    this.#boxes = [];
    return boxes;
  }

  /** Make a new key and box it for all. It inherits the deadline of one that it overtakes. */
  #make(now: number): void {
    this.#number++;
    this.#layers = 0;
    this.#madeAt = now;
    this.#replaceAt = NEVER;
    this.#isStale = false;
    this.#owed.clear();
    const deadline = Math.min(now + ACTIVATION, this.#pending?.deadline ?? NEVER);
    const key = new SenderKey(this.#number, 0, this.#around.randomBytes(KEY_SIZE));
    const waiting = new Set([...this.#around.members.keys()].filter((participant) => this.#box(participant, key)));
    this.#pending = { key, waiting, deadline, isUsed: false };
    const behind = this.#current === undefined ? 0 : key.number - this.#current.number;
    if (waiting.size === 0 || behind >= MAX_KEYS) this.#activate(now); // The receivers have no more keys than that.
  }

  /**
   * Ratchet, so that a newcomer cannot read the past, and box the new generation.
   *
   * A generation under which nothing was sealed needs no ratchet; otherwise many joins in a moment of silence would carry the
   * generation out of the receivers' reach.
   */
  #admit(participant: number, now: number): void {
    if (this.#current !== undefined && this.#isUsed) this.#ratchet(now);
    if (this.#current !== undefined && !this.#isUsed) this.#box(participant, this.#current);
    const pending = this.#pending;
    if (pending === undefined) return;
    if (pending.isUsed && pending.key.generation < MAX_GENERATION) {
      pending.key = pending.key.ratcheted();
      pending.isUsed = false;
    }
    if (!pending.isUsed && this.#box(participant, pending.key)) pending.waiting.add(participant);
  }

  #noLongerWaits(participant: number, now: number): void {
    if (this.#pending === undefined) return;
    this.#pending.waiting.delete(participant);
    if (this.#pending.waiting.size === 0) this.#activate(now);
  }

  #activate(now: number): void {
    if (this.#pending === undefined) return;
    const { key, isUsed } = this.#pending;
    this.#current = key;
    this.#pending = undefined;
    this.#beginGeneration(now);
    this.#isUsed = isUsed;
  }

  #ratchet(now: number): void {
    if (this.#current === undefined) return;
    this.#ratchetAt = now + RATCHET_PERIOD;
    if (this.#current.generation < MAX_GENERATION) {
      this.#current = this.#current.ratcheted();
      this.#beginGeneration(now);
    }
    if (this.#current.generation >= WORN_GENERATION && this.#pending === undefined) this.#replace(LEAVE_SPACING, now);
  }

  #beginGeneration(now: number): void {
    this.#isUsed = false;
    this.#ratchetAt = now + RATCHET_PERIOD;
    this.#derived.clear();
  }

  #replace(spacing: number, now: number): void {
    this.#isStale = true;
    if (this.#isPublishing) this.#replaceAt = Math.min(this.#replaceAt, Math.max(now, this.#madeAt + spacing));
  }

  /** Queue a box; tell whether the member's box key can be used. */
  #box(participant: number, senderKey: SenderKey): boolean {
    const { life, room, own, members, firstSequences, randomBytes } = this.#around;
    const member = members.get(participant);
    if (member === undefined) return false;
    const context = { life, room, e2ee: true, sender: own, recipient: member.party };
    const opened = { senderKey, firstSequences: firstSequences() };
    try {
      const box = sealKeyBox(context, opened, member.shared(), randomBytes(NONCE_SIZE));
      this.#boxes.push({ participant, box });
      return true;
    } catch (error) {
      if (error instanceof CryptoFailure) return false;
      throw error;
    }
  }
}
