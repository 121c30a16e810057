/** Of which members no beacon comes: they may be ghosts, or the server keeps their view of the room from us. */

import { beaconInterval, SILENT_INTERVALS } from "../../protocol/beacon.js";
import { NEVER } from "../timers.js";

/** Times the other members. Only time counts in which our own path is proved: without it nobody can be heard. */
export class Silence {
  /** When `handleTimeout` is due, or earlier. */
  nextDeadline = NEVER;
  readonly #silent = new Set<number>();
  /** When each was heard last, or came, by time on the path. */
  readonly #heard = new Map<number, number>();
  #elapsed = 0;
  #since: number | undefined;

  /** Our path is proved from now on, or not any more. */
  path(proved: boolean, now: number): void {
    this.#elapsed = this.#time(now);
    this.#since = proved ? now : undefined;
    this.nextDeadline = proved ? now : NEVER;
  }

  /** Somebody is in the room from now on. */
  came(participant: number, now: number): void {
    this.#heard.set(participant, this.#time(now));
    if (this.#since !== undefined) {
      this.nextDeadline = Math.min(this.nextDeadline, now + SILENT_INTERVALS * beaconInterval(1));
    }
  }

  /** Somebody is gone. */
  left(participant: number): void {
    this.#heard.delete(participant);
    this.#silent.delete(participant);
  }

  /** A valid beacon came; tell whether the member was silent. */
  heard(participant: number, now: number): boolean {
    this.came(participant, now);
    return this.#silent.delete(participant);
  }

  /** Return who has become silent; `members` is the size of the room, ourselves included. */
  handleTimeout(members: number, now: number): number[] {
    if (now < this.nextDeadline || this.#since === undefined) return [];
    const limit = SILENT_INTERVALS * beaconInterval(members);
    const found: number[] = [];
    this.nextDeadline = NEVER;
    for (const [id, heard] of this.#heard) {
      if (this.#silent.has(id)) continue;
      const end = this.#since + (heard + limit - this.#elapsed);
      if (end <= now) found.push(id);
      else this.nextDeadline = Math.min(this.nextDeadline, end);
    }
    for (const id of found) this.#silent.add(id);
    return found;
  }

  #time(now: number): number {
    return this.#elapsed + (this.#since === undefined ? 0 : now - this.#since);
  }
}
