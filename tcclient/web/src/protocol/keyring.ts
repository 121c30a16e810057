/** The receiving side of end-to-end keys: which key opens a packet, and whether the packet is new. */

import { equal } from "./bytes.js";
import { CryptoFailure } from "./errors.js";
import { type Header, KEY_NUMBER_BITS, openPacket, spatialOf } from "./packet.js";
import { ReplayWindow, SEQUENCE_WINDOW } from "./replay.js";
import type { OpenedBox, Party, PublicationId, SenderKey } from "./sender-key.js";
import { wrapped } from "./serial.js";
import { type Note, openRoomText, type TextHeader, textKey } from "./text.js";

/** The most generations that are tried ahead of the newest known one: the joins that may pass unheard. */
export const MAX_SKIPPED_GENERATIONS = 64;
/** Seconds for which a key is kept after the next one arrived, and a generation after the next one was first used. */
export const SENDER_KEY_OVERLAP = 10.0;
/** The most sender keys that are kept for one member. */
export const MAX_KEYS = 4;
/** The most layers of publications under one sender key. A sender makes a new key before it needs more. */
export const MAX_LAYERS = 64;

export type { PublicationId };

/**
 * A sender key that was received: its newest generation, and an earlier one during the overlap.
 *
 * Only what opened under the key changes anything here. A forged packet costs time, and no memory.
 */
class Held {
  expires = Infinity;
  readonly #life: Uint8Array;
  #newest: SenderKey;
  #previous: SenderKey | undefined;
  #previousUntil = 0;
  /** By publication and spatial layer. */
  readonly #firsts: ReadonlyMap<string, number>;
  readonly #windows = new Map<string, ReplayWindow>();
  /** By generation, then by publication. */
  readonly #derived = new Map<number, Map<string, Uint8Array>>();

  constructor(life: Uint8Array, opened: OpenedBox) {
    this.#life = life;
    this.#newest = opened.senderKey;
    this.#firsts = new Map(
      opened.firstSequences.map((first) => [`${first.publication} ${first.spatial}`, first.sequence]),
    );
  }

  open(header: Header, packet: Uint8Array, publication: PublicationId, now: number): Uint8Array {
    const layer = `${publication.number} ${spatialOf(header)}`;
    const window = this.#window(layer);
    if (window.check(header.sequence) !== "new") throw new CryptoFailure("the sequence number is not new");
    const key = this.#publicationKey(header.generation, publication, now);
    const payload = openPacket(packet, key);
    window.commit(header.sequence);
    this.#windows.set(layer, window);
    this.#remember(header.generation, publication, key);
    this.advance(header.generation, now);
    return payload;
  }

  advance(generation: number, now: number): void {
    if (generation <= this.#newest.generation) return;
    // In a row of joins the oldest stays until a pause, since the others can be derived from it.
    this.#previous ??= this.#newest;
    this.#previousUntil = now + SENDER_KEY_OVERLAP;
    this.#newest = this.#newest.ratcheted(generation);
  }

  /** Return the key at a generation. Throws `CryptoFailure` where it is out of reach. */
  at(generation: number, now: number): SenderKey {
    this.forget(now);
    const ahead = generation - this.#newest.generation;
    const start = ahead >= 0 ? this.#newest : this.#previous;
    if (start === undefined || ahead > MAX_SKIPPED_GENERATIONS) {
      throw new CryptoFailure("the generation is out of reach");
    }
    try {
      return start.ratcheted(generation);
    } catch {
      throw new CryptoFailure("no such generation");
    }
  }

  /** Return the commitment to the key at a generation; undefined where the generation was forgotten. */
  commitment(generation: number, now: number): Uint8Array | undefined {
    this.forget(now);
    for (const start of [this.#newest, this.#previous]) {
      if (start !== undefined && generation >= start.generation) return start.ratcheted(generation).commitment();
    }
    return undefined;
  }

  /** Forget the generations whose overlap is over. */
  forget(now: number): void {
    if (this.#previous === undefined || now < this.#previousUntil) return;
    this.#previous = undefined;
    for (const generation of this.#derived.keys()) {
      if (generation !== this.#newest.generation) this.#derived.delete(generation);
    }
  }

  #window(layer: string): ReplayWindow {
    const window = this.#windows.get(layer);
    if (window !== undefined) return window;
    if (this.#windows.size >= MAX_LAYERS) throw new CryptoFailure("too many publications under one key");
    return new ReplayWindow(SEQUENCE_WINDOW, this.#firsts.get(layer) ?? 0);
  }

  #publicationKey(generation: number, publication: PublicationId, now: number): Uint8Array {
    this.forget(now);
    const known = this.#derived.get(generation)?.get(slotOf(publication));
    return known ?? this.at(generation, now).publicationKey(this.#life, publication);
  }

  #remember(generation: number, publication: PublicationId, key: Uint8Array): void {
    let keys = this.#derived.get(generation);
    if (keys === undefined) this.#derived.set(generation, (keys = new Map()));
    keys.set(slotOf(publication), key);
  }
}

function slotOf({ number, kind, source }: PublicationId): string {
  return `${number} ${kind} ${source}`;
}

/**
 * The keys of one other member, by which its packets are opened.
 *
 * Each sequence number is delivered at most once, and none below the window. A key or generation that was replaced is
 * forgotten after `SENDER_KEY_OVERLAP`, so a recording cannot be played into the room later.
 */
export class KeyRing {
  readonly #life: Uint8Array;
  /** By number, in ascending order. */
  readonly #keys = new Map<number, Held>();

  constructor(life: Uint8Array) {
    this.#life = life;
  }

  /**
   * Take the content of a key box, and tell whether the key is new. Only one box for a key number is accepted.
   *
   * The overlap of all keys before it begins, also of those not used yet: a member that left may have them.
   */
  add(opened: OpenedBox, now: number): boolean {
    const { number } = opened.senderKey;
    if (number <= this.newestNumber) return false;
    for (const held of this.#keys.values()) held.expires = Math.min(held.expires, now + SENDER_KEY_OVERLAP);
    this.#keys.set(number, new Held(this.#life, opened));
    if (this.#keys.size > MAX_KEYS) this.#keys.delete(Math.min(...this.#keys.keys()));
    return true;
  }

  /**
   * Return the payload of a packet, which then counts as delivered. `header` is the header of the packet.
   *
   * Throws `CryptoFailure` for an unknown or expired key, a generation out of reach, a replay, or a box that does not open;
   * `RangeError` for bad padding.
   */
  open(header: Header, packet: Uint8Array, publication: PublicationId, now: number): Uint8Array {
    return this.#held(header.keyNumber, now).open(header, packet, publication, now);
  }

  /** Number of the newest key that arrived; -1 before the first. */
  get newestNumber(): number {
    return Math.max(-1, ...this.#keys.keys());
  }

  /**
   * Open a text to the room, for which only the newest key is good. `header` is the header of the text.
   *
   * Texts and key boxes come in order, so a text under an older key may be made by somebody who has left. The caller counts
   * texts across keys, and says whether this one is new. Throws `CryptoFailure` for another key, a generation out of reach,
   * or a box that does not open.
   */
  openText(header: TextHeader, sealed: Uint8Array, sender: Party, now: number): Note {
    const held = this.#keys.get(header.number);
    if (held === undefined || header.number !== this.newestNumber) {
      throw new CryptoFailure("the text is not under the newest key");
    }
    const note = openRoomText(sealed, textKey(held.at(header.generation, now), this.#life, sender));
    held.advance(header.generation, now);
    return note;
  }

  /**
   * Compare a key with the commitment of its sender. If they agree, go to this generation.
   *
   * Return whether they agree; undefined where there is no such key, or this generation was forgotten.
   */
  follow(number: number, generation: number, commitment: Uint8Array, now: number): boolean | undefined {
    this.forget(now);
    const held = this.#keys.get(number);
    const own = held?.commitment(generation, now);
    if (held === undefined || own === undefined) return undefined;
    const agrees = equal(own, commitment);
    if (agrees) held.advance(generation, now);
    return agrees;
  }

  /** Forget the keys and generations whose overlap is over. */
  forget(now: number): void {
    for (const [number, held] of this.#keys) {
      if (now >= held.expires) this.#keys.delete(number);
      else held.forget(now);
    }
  }

  /** Return the newest key whose number has these low bits, and forget expired ones on the way. */
  #held(lowBits: number, now: number): Held {
    for (const [number, held] of [...this.#keys].reverse()) {
      if (now >= held.expires) this.#keys.delete(number);
      else if (wrapped(number, KEY_NUMBER_BITS) === lowBits) return held;
    }
    throw new CryptoFailure("no such sender key");
  }
}
