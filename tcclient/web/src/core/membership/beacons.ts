/** Our beacons: when one is due, and its place among them. */

import { BEACON_SPACING, BEACON_STARTS, beaconInterval, beaconSpacing } from "../../protocol/beacon.js";
import { Reader } from "../../protocol/bytes.js";
import { MAX_SKIPPED_GENERATIONS } from "../../protocol/keyring.js";
import type { SenderKey } from "../../protocol/sender-key.js";
import { NEVER } from "../timers.js";

/**
 * Ratchets between beacons: a beacon reaches every member, also one that hears nothing else of us, and carries it along
 * before the generation is out of its reach; three may be lost.
 */
export const GENERATIONS = MAX_SKIPPED_GENERATIONS / 4;

/** A beacon in each interval, and more when there is something to tell, never nearer than the room's size allows. */
export class BeaconSchedule {
  nextDeadline = NEVER;
  /** Sequence number of the next beacon. */
  sequence = 0;
  /** Whether beacons have begun, which do not end before the seat. */
  isRunning = false;
  readonly #randomBytes: (size: number) => Uint8Array;
  #members = 1;
  #planned: number[] = [];
  #told: SenderKey | undefined;
  #sentAt = -NEVER;
  /** When the present interval began. */
  #since = 0;

  /** `randomBytes` spreads the answers of many to one newcomer. */
  constructor(randomBytes: (size: number) => Uint8Array) {
    this.#randomBytes = randomBytes;
  }

  /** The room is known, and there is or may be a path: be heard soon. In a large room not all at one moment. */
  begin(now: number): void {
    this.isRunning = true;
    this.#since = now;
    const spread = beaconSpacing(this.#members) > BEACON_SPACING ? this.#offset() : 0;
    this.#plan(...BEACON_STARTS.map((start) => now + start + spread));
  }

  /** The room has so many members now, ourselves included. */
  resize(members: number): void {
    this.#members = members;
    this.#schedule();
  }

  /** Somebody came, or was heard for the first time, or the path bears: be heard, each of us at another moment. */
  answer(now: number): void {
    this.#plan(now + this.#offset());
  }

  /** A stream sent its first frame. */
  streamStarted(now: number): void {
    this.#plan(...BEACON_STARTS.map((start) => now + start));
  }

  /** A stream's clock and ours went apart; a live source may do so again and again. */
  clockMoved(now: number): void {
    this.#plan(now);
  }

  /** Plan a beacon where the receivers need one to keep up with our key. */
  keyChanged(key: SenderKey, now: number): void {
    const told = this.#told;
    if (told === undefined || key.number !== told.number || key.generation >= told.generation + GENERATIONS) {
      this.#plan(now);
    }
  }

  /** A beacon was made. */
  sent(key: SenderKey | undefined, now: number): void {
    this.sequence++;
    this.#told = key;
    this.#sentAt = this.#since = now;
    this.#planned = this.#planned.filter((at) => at > now);
    this.#schedule();
  }

  #offset(): number {
    return (new Reader(this.#randomBytes(2)).u16() / 2 ** 16) * beaconSpacing(this.#members);
  }

  /** Plan beacons, unless one stands shortly before; what stands shortly after is spared. */
  #plan(...times: readonly number[]): void {
    if (!this.isRunning) return;
    const spacing = beaconSpacing(this.#members);
    for (const time of times) {
      const at = Math.max(time, this.#sentAt + spacing);
      if (this.#planned.some((planned) => at - spacing < planned && planned <= at)) continue;
      this.#planned = this.#planned.filter((planned) => !(at < planned && planned < at + spacing));
      this.#planned.push(at);
    }
    this.#schedule();
  }

  #schedule(): void {
    if (!this.isRunning) return;
    const due = Math.min(this.#since + beaconInterval(this.#members), ...this.#planned);
    this.nextDeadline = Math.max(due, this.#sentAt + beaconSpacing(this.#members));
  }
}
