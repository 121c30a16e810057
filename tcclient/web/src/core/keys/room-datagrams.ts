/** Room datagrams: the sealers whose keys this member has. */

import { type DatagramHeader, KEY_OVERLAP, openDatagram } from "../../protocol/datagram.js";
import { CryptoFailure } from "../../protocol/errors.js";
import type { RoomKey } from "../../protocol/messages.js";
import { ReplayWindow, SEALER_WINDOW } from "../../protocol/replay.js";
import { TransitClock } from "../../protocol/transit.js";
import type { Drops } from "../drops.js";

/** Sealers of a room: one for each worker or relay, and those of a restart; the oldest is forgotten first. */
export const MAX_SEALERS = 64;
/** Keys of one sealer: the one in use, those to come, and those of the overlap; leaves may follow each other fast. */
export const MAX_EPOCHS = 8;

class HeldKey {
  readonly key: Uint8Array;
  readonly window: ReplayWindow;
  until = Infinity;

  constructor({ key, lowest }: RoomKey, position: number) {
    this.key = key;
    this.window = new ReplayWindow(SEALER_WINDOW, lowest, position);
  }
}

/** One sealer: its keys by epoch, and its clock. */
export class Sealer {
  readonly clock = new TransitClock();
  /** By epoch, the oldest first. */
  readonly epochs = new Map<number, HeldKey>();
  newestUsed = -1;
  /** The highest counter that has come. */
  highest = -1;
  /** The highest counter that the sealer is known to have reached; it runs on from key to key. */
  position = 0;

  /** Forget the keys whose overlap is over. */
  forget(now: number): void {
    for (const [epoch, held] of this.epochs) {
      if (now >= held.until) this.epochs.delete(epoch);
    }
  }

  /** Start the overlap of all keys that came before the one now used first. */
  replaced(epoch: number, now: number): void {
    this.newestUsed = epoch;
    this.forget(now);
    for (const [known, held] of this.epochs) {
      if (known === epoch) break;
      held.until = Math.min(held.until, now + KEY_OVERLAP);
    }
  }
}

/** A room datagram that opened. */
export interface Opened {
  readonly sealer: Sealer;
  readonly plaintext: Uint8Array;
  /** Behind a later one: on the way, or since the server sent it again. Its relay time tells nothing about the way. */
  readonly reordered: boolean;
}

/** Opens room datagrams. A member who can forge a datagram of a sealer can neither replay nor push its window. */
export class RoomDatagramOpener {
  readonly #drops: Drops;
  readonly #askPosition: (now: number) => void;
  /** By id, the oldest first. */
  readonly #sealers = new Map<number, Sealer>();

  /** `askPosition` is called with `now` where a datagram was ahead of its sealer's known position. */
  constructor(drops: Drops, askPosition: (now: number) => void) {
    this.#drops = drops;
    this.#askPosition = askPosition;
  }

  /** Take a key; one for an epoch that is known changes nothing, or its window would forget. */
  addKey(roomKey: RoomKey): void {
    const sealer = this.#sealers.get(roomKey.sealer) ?? new Sealer();
    this.#sealers.set(roomKey.sealer, sealer);
    if (sealer.epochs.has(roomKey.epoch)) return;
    sealer.position = Math.max(sealer.position, roomKey.lowest);
    sealer.epochs.set(roomKey.epoch, new HeldKey(roomKey, sealer.position));
    dropOldest(sealer.epochs, MAX_EPOCHS);
    dropOldest(this.#sealers, MAX_SEALERS);
  }

  /** Forget a sealer. */
  close(sealer: number): void {
    this.#sealers.delete(sealer);
  }

  /** Forget the room keys whose overlap is over. */
  forget(now: number): void {
    for (const sealer of this.#sealers.values()) sealer.forget(now);
  }

  /** Take a sealer's position, which came under our own down key. */
  confirm(id: number, counter: number): void {
    const sealer = this.#sealers.get(id);
    if (sealer === undefined) return;
    sealer.position = Math.max(sealer.position, counter);
    for (const held of sealer.epochs.values()) held.window.confirm(counter);
  }

  /** Return what a room datagram holds, or undefined where it was dropped. */
  open(header: DatagramHeader, data: Uint8Array, now: number): Opened | undefined {
    const sealer = this.#sealers.get(header.id);
    if (sealer === undefined) return this.#drop("unknown_id");
    const held = sealer.epochs.get(header.epoch);
    if (held === undefined || now >= held.until) return this.#drop("unknown_epoch");
    const verdict = held.window.check(header.counter);
    if (verdict !== "new" && verdict !== "ahead") return this.#drop("replay");
    let plaintext: Uint8Array;
    try {
      plaintext = openDatagram(data, held.key);
    } catch (error) {
      if (error instanceof CryptoFailure) return this.#drop("not_opened");
      throw error;
    }
    if (verdict === "ahead") {
      this.#askPosition(now); // only now: who has no room key makes us send nothing
      return this.#drop("ahead");
    }
    const reordered = header.counter < sealer.highest;
    sealer.highest = Math.max(sealer.highest, header.counter);
    held.window.commit(header.counter);
    if (header.epoch !== sealer.newestUsed && held.until === Infinity) sealer.replaced(header.epoch, now);
    return { sealer, plaintext, reordered };
  }

  #drop(reason: "unknown_id" | "unknown_epoch" | "replay" | "not_opened" | "ahead"): undefined {
    this.#drops.add(reason);
    return undefined;
  }
}

function dropOldest<V>(map: Map<number, V>, most: number): void {
  for (const key of map.keys()) {
    if (map.size > most) map.delete(key);
  }
}
