/**
 * What waits in front of the socket on the way up: bounded by its number and age, sound first.
 *
 * A WebSocket takes whatever it is given, and would let seconds of delay build up on a slow link. So datagrams are
 * written only while little of what was written before is unsent (PROTOCOL.md, "Stream path").
 */

import { LARGE } from "../protocol/datagram.js";
import { LARGE_PATIENCE, MAX_LARGE, MAX_SMALL, MAX_UNSENT, SMALL_PATIENCE } from "../protocol/stream-path.js";

/** Seconds that a part of a picture waits on a way that has become too narrow; a keyframe may take as long. */
const CONGESTED_AGE = 0.15;

interface Waiting {
  readonly datagram: Uint8Array;
  readonly since: number;
}

/** Orders datagrams and drops the oldest. Times are in seconds of a monotonic clock. */
export class Uplink {
  /** Datagrams dropped since the beginning. */
  dropped = { small: 0, large: 0 };
  private small: Waiting[] = [];
  private large: Waiting[] = [];

  /** Datagrams that wait. */
  get waiting(): number {
    return this.small.length + this.large.length;
  }

  /** Take a datagram. */
  push(datagram: Uint8Array, now: number): void {
    const [queue, most] = datagram.length > LARGE ? [this.large, MAX_LARGE] : [this.small, MAX_SMALL];
    queue.push({ datagram, since: now });
    if (queue.length > most) this.drop(queue);
  }

  /** Return whether pictures have waited for long: more is sent than leaves. */
  isCongested(now: number): boolean {
    return isOlder(this.large[0], now - CONGESTED_AGE);
  }

  /** Return what to write now, in order, while `unsent` bytes of what was written before have not left. */
  take(unsent: number, now: number): Uint8Array[] {
    while (isOlder(this.small[0], now - SMALL_PATIENCE)) this.drop(this.small);
    while (isOlder(this.large[0], now - LARGE_PATIENCE)) this.drop(this.large);
    const written: Uint8Array[] = [];
    let room = MAX_UNSENT - unsent;
    while (room > 0) {
      const next = this.small.shift() ?? this.large.shift();
      if (next === undefined) break;
      written.push(next.datagram);
      room -= next.datagram.length;
    }
    return written;
  }

  /** Drop the oldest of a queue; of pictures all, since those that follow cannot be shown without it. */
  private drop(queue: Waiting[]): void {
    if (queue === this.small) {
      queue.shift();
      this.dropped.small += 1;
    } else {
      this.dropped.large += queue.length;
      queue.length = 0;
    }
  }
}

function isOlder(waiting: Waiting | undefined, than: number): boolean {
  return waiting !== undefined && waiting.since < than;
}
