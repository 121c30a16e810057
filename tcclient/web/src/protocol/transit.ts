/** Transit times by the clocks of two machines. Of the clocks is only known that they go at nearly the same speed. */

import { Unwrapper } from "./serial.js";

/** A packet counts as late if it takes so many seconds more than the quickest one: more than a usual play-out delay. */
export const LATE = 0.2;
/** Seconds after which the quickest transit is measured again, because clocks drift and routes change. */
export const TRANSIT_MEMORY = 30.0;

export interface Transit {
  /** Seconds on the way plus an unknown constant. */
  readonly transit: number;
  /** Seconds more than the quickest. */
  readonly delay: number;
}

/** Compares the clock of a sender with that of the receiver: transit times but for a constant, and added delay. */
export class TransitClock {
  readonly #unwrapper = new Unwrapper();
  #quickest = Infinity;
  #candidate = Infinity;
  #since: number | undefined;

  /** `sentAt` is by the sender's clock in µs, modulo 2^32; `arrivedAt` by the receiver's in seconds. */
  transit(sentAt: number, arrivedAt: number): Transit {
    this.#since ??= arrivedAt;
    const transit = arrivedAt - this.#unwrapper.next(sentAt) * 1e-6;
    if (arrivedAt - this.#since >= TRANSIT_MEMORY) {
      [this.#quickest, this.#candidate, this.#since] = [this.#candidate, Infinity, arrivedAt];
    }
    this.#candidate = Math.min(this.#candidate, transit);
    this.#quickest = Math.min(this.#quickest, this.#candidate);
    return { transit, delay: transit - this.#quickest };
  }
}
