/** What leaves on the media path: items become sealed datagrams, which wait here until they may be sent. */

import { Kind, LAST_ITEM, MAX_COUNTER, packDatagramHeader, sealDatagram } from "../../protocol/datagram.js";
import { type Item, ItemType, packItems } from "../../protocol/datagram.js";
import { concat } from "../../protocol/bytes.js";
import type { Drops } from "../drops.js";
import { NEVER } from "../timers.js";

/** Datagrams that nobody has taken yet: a keyframe of half a megabyte; the oldest go first. */
export const MAX_QUEUED = 512;
/** Datagrams of pictures sent at once: a frame of 13 kB; a larger one is spread. */
export const PACED_BURST = 12;
/** Seconds between such bursts: 12 datagrams in 4 ms are 29 Mbit/s, which the buffers on the way take. */
export const PACED_INTERVAL = 0.004;
/** Datagrams that wait for their burst: a third of a second. A source that sends more loses the rest. */
export const MAX_PACED = 1024;
const PACKET_ITEM = Uint8Array.of(ItemType.PACKET | LAST_ITEM);

/** The up keys of the media path. */
export interface UpKey {
  readonly mediaId: number;
  readonly epoch: number;
  readonly upKey: Uint8Array;
}

/**
 * Seals datagrams under the up key, and queues them in the order in which they are to leave.
 *
 * A large picture leaves in bursts, so that small buffers on the way do not overflow; a single datagram, such as one of
 * sound, does not wait for the bursts.
 */
export class Egress {
  /** Counter of the next datagram. */
  counter = 0;
  /** When `take` has the next burst. */
  nextDeadline = NEVER;
  #up: UpKey;
  readonly #drops: Drops;
  #queue: Uint8Array[] = [];
  /** Waits for its burst. */
  #paced: Uint8Array[] = [];

  constructor(up: UpKey, drops: Drops) {
    this.#up = up;
    this.#drops = drops;
  }

  get mediaId(): number {
    return this.#up.mediaId;
  }

  get epoch(): number {
    return this.#up.epoch;
  }

  /** Seal under another key from now on. */
  rekey(up: UpKey): void {
    this.#up = up;
    this.counter = 0;
  }

  /** Queue a datagram with these items. */
  send(...items: readonly Item[]): void {
    this.#send(packItems(items));
  }

  /** Queue a datagram with a packet of media or a beacon. */
  sendPacket(packet: Uint8Array): void {
    this.#send(concat(PACKET_ITEM, packet));
  }

  /** Return the datagrams that may leave now, once. */
  take(now: number): Uint8Array[] {
    let ready = this.#queue;
    this.#queue = [];
    if (ready.length > PACED_BURST || (this.#paced.length > 0 && ready.length > 1)) {
      this.#pace(ready, now);
      ready = [];
    }
    if (now >= this.nextDeadline) {
      ready.push(...this.#paced.splice(0, PACED_BURST));
      this.nextDeadline = this.#paced.length > 0 ? now + PACED_INTERVAL : NEVER;
    }
    return ready;
  }

  /** Seal and queue; a counter at its end sends nothing more under this key. */
  #send(plaintext: Uint8Array): void {
    if (this.counter > MAX_COUNTER) {
      this.#drops.add("counter_spent");
      return;
    }
    const header = packDatagramHeader(Kind.UP, this.#up.epoch, this.#up.mediaId, this.counter);
    this.counter++;
    this.#queue.push(sealDatagram(header, plaintext, this.#up.upKey));
    if (this.#queue.length <= MAX_QUEUED) return;
    this.#queue.shift();
    this.#drops.add("queue_full");
  }

  #pace(datagrams: readonly Uint8Array[], now: number): void {
    if (this.#paced.length === 0) this.nextDeadline = now;
    const room = MAX_PACED - this.#paced.length;
    this.#paced.push(...datagrams.slice(0, room));
    if (datagrams.length > room) this.#drops.add("queue_full", datagrams.length - room);
  }
}
