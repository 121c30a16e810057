/** The replay window: which counters under a key were seen. */

import { MAX_COUNTER } from "./datagram.js";

/** Counters in the window of a session key: a second of reordering at a thousand datagrams per second. */
export const SESSION_WINDOW = 1024;
/** Counters in the window of a room key. One counter runs over all datagrams of a room, and positions come seldom. */
export const SEALER_WINDOW = 8192;
/** Sequence numbers in the window of a spatial layer of a stream: a second of a fast stream. */
export const SEQUENCE_WINDOW = 1024;

/**
 * Whether a counter may be accepted, or the reason why not.
 *
 * - `old`: below the window, which no longer knows whether it was seen.
 * - `ahead`: above the ceiling.
 */
export type Verdict = "new" | "duplicate" | "old" | "ahead";

const WORD = 32;

/**
 * Remembers the `size` counters up to the highest accepted one, with one bit for each.
 *
 * Call `check`, verify the datagram, then call `commit`: a forged datagram must not move the window.
 *
 * `lowest` is the lowest valid counter. All below it are refused for ever. So a newcomer, whose window is empty, takes no
 * replays from before.
 *
 * A room key needs more, because many know it. Any of them can forge a datagram with a counter far ahead, which would push
 * the honest counters out of the window. `confirmed` is a counter that came over a channel that only the sealer can write;
 * `confirm` raises it. A counter above the ceiling, `confirmed + size - 1`, is refused. An honest counter from `confirmed` on
 * is never refused as old.
 */
export class ReplayWindow {
  /** The highest counter accepted, or `lowest - 1` before the first. */
  highest: number;
  readonly #size: number;
  readonly #lowest: number;
  #ceiling: number;
  /** A ring of bits; those of counters above `highest` are zero once they come into the window. */
  readonly #seen: Uint32Array;

  /** `size` is a multiple of 32. */
  constructor(size: number, lowest = 0, confirmed?: number) {
    this.#size = size;
    this.#lowest = lowest;
    this.highest = lowest - 1;
    this.#ceiling = confirmed === undefined ? MAX_COUNTER : this.#ceilingOf(confirmed);
    this.#seen = new Uint32Array(size / WORD);
  }

  /** Return what would become of a datagram with this counter. Changes nothing. */
  check(counter: number): Verdict {
    if (counter > this.highest) return counter <= this.#ceiling ? "new" : "ahead";
    if (counter <= this.highest - this.#size || counter < this.#lowest) return "old";
    return this.#isSeen(counter) ? "duplicate" : "new";
  }

  /** Remember the counter of a verified datagram. Throws `RangeError` if `check` does not call it new. */
  commit(counter: number): void {
    if (this.check(counter) !== "new") throw new RangeError(`counter ${counter} is not new`);
    if (counter > this.highest) this.#advance(counter);
    const bit = counter % this.#size;
    const word = Math.floor(bit / WORD);
    this.#seen[word] = (this.#seen[word] ?? 0) | (1 << (bit % WORD));
  }

  /** Take a position of the sealer, which came over a channel that only the sealer can write. Never lowers the ceiling. */
  confirm(counter: number): void {
    this.#ceiling = Math.max(this.#ceiling, this.#ceilingOf(counter));
  }

  #isSeen(counter: number): boolean {
    const bit = counter % this.#size;
    return (((this.#seen[Math.floor(bit / WORD)] ?? 0) >>> (bit % WORD)) & 1) === 1;
  }

  /** Move the window up to a counter: what comes into it was not seen yet. */
  #advance(counter: number): void {
    if (counter - this.highest >= this.#size) this.#seen.fill(0);
    else {
      for (let next = this.highest + 1; next <= counter; next++) {
        const bit = next % this.#size;
        const word = Math.floor(bit / WORD);
        this.#seen[word] = (this.#seen[word] ?? 0) & ~(1 << (bit % WORD));
      }
    }
    this.highest = counter;
  }

  #ceilingOf(confirmed: number): number {
    return Math.min(confirmed + this.#size - 1, MAX_COUNTER);
  }
}
