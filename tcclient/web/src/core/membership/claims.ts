/** What one other member has said in its beacons, and whether it holds together. */

import type { Beacon, ClockMapping } from "../../protocol/beacon.js";
import { equal } from "../../protocol/bytes.js";
import type { KeyRing } from "../../protocol/keyring.js";

/** Seconds over which two beacons must differ from our member set: joins and leaves reach members at different times. */
export const MISMATCH_AFTER = 10.0;

/** The key of a beacon. */
type Committed = Pick<Beacon, "keyNumber" | "generation" | "commitment">;

/** The beacons of one seat. Only a sequence number above all before it counts: nothing is played back. */
export class Claims {
  /** Of the newest beacon; -1 before the first. */
  sequence = -1;
  /** The newest clock mapping of each stream. */
  clocks: ReadonlyMap<number, ClockMapping> = new Map();
  /** The member has seen another set of members than we do for longer than a change takes to arrive. */
  mismatch = false;
  #differsSince: number | undefined;
  /** The key of the newest beacon that named one. */
  #committed: Committed | undefined;
  /** The beacon before said something else of the same key, or of a later one. */
  #contradicted = false;
  /** The highest key number of which a difference was told. */
  #accused = 0;

  /** Take a beacon; `streams` are the sender's, `memberSet` is our own hash. */
  receive(beacon: Beacon, streams: ReadonlySet<number>, memberSet: Uint8Array, now: number): void {
    this.clocks = new Map(
      beacon.clocks.filter((clock) => streams.has(clock.stream)).map((clock) => [clock.stream, clock]),
    );
    if (equal(beacon.memberSet, memberSet)) {
      this.#differsSince = undefined;
      this.mismatch = false;
    } else if (this.#differsSince === undefined) {
      this.#differsSince = now;
    } else if (now >= this.#differsSince + MISMATCH_AFTER) {
      this.mismatch = true;
    }
    if (beacon.keyNumber === 0) return;
    if (this.#committed !== undefined) this.#contradicted = contradicts(beacon, this.#committed);
    this.#committed = beacon;
  }

  /**
   * Compare the key that the newest beacon commits to with the one that we were given.
   *
   * Tell whether they are now found to differ, once for each key. Equal ones take the ring along to the generation. Where we
   * have no such key (yet), nothing is found.
   */
  differs(ring: KeyRing, now: number): boolean {
    if (this.#committed === undefined) return false;
    const { keyNumber, generation, commitment } = this.#committed;
    const agrees = ring.follow(keyNumber, generation, commitment, now);
    if ((agrees === false || this.#contradicted) && keyNumber > this.#accused) {
      this.#accused = keyNumber;
      return true;
    }
    return false;
  }
}

/** Tell whether a beacon goes back behind the one before it, or says something else of the same key. */
function contradicts(key: Committed, before: Committed): boolean {
  if (key.keyNumber !== before.keyNumber) return key.keyNumber < before.keyNumber;
  if (key.generation !== before.generation) return key.generation < before.generation;
  return !equal(key.commitment, before.commitment);
}
