/** Snapshots of the room: when one is asked for. */

import { NEVER } from "../timers.js";

/** Seconds after which a snapshot is asked for again. */
export const SNAPSHOT_RETRY = 2.0;

/** Has a snapshot asked for after a gap in the changes, again and again until it is here. */
export class SnapshotRequests {
  /** When `handleTimeout` is due. */
  nextDeadline = NEVER;
  readonly #ask: () => void;

  constructor(ask: () => void) {
    this.#ask = ask;
  }

  /** Changes are missing. */
  gap(now: number): void {
    if (this.nextDeadline === NEVER) this.nextDeadline = now;
  }

  /** All pages are here. */
  arrived(): void {
    this.nextDeadline = NEVER;
  }

  /** Ask again after `retryAfter` seconds: the server would not send one now. */
  refused(retryAfter: number, now: number): void {
    this.nextDeadline = now + Math.max(retryAfter, SNAPSHOT_RETRY);
  }

  /** Ask, if it is time. */
  handleTimeout(now: number): void {
    if (now < this.nextDeadline) return;
    this.nextDeadline = now + SNAPSHOT_RETRY;
    this.#ask();
  }
}
