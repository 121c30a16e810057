/**
 * The lives of rooms that this page has been in: none of them comes back once another one has followed it.
 *
 * Whatever members signed is good for one life of a room. A server that begins an old life again could show everybody of
 * that time as present.
 */

import { hex } from "../../protocol/bytes.js";
import { Distrust } from "./distrust.js";

/** Lives remembered. At the bound no new life is entered, since to forget one would let it come back. */
export const MAX_LIVES = 65_536;
/** Rooms whose present life may be entered again; of more, that of the room entered longest ago counts as over. */
export const MAX_ROOMS = 1024;
/**
 * Box keys remembered of one life: a join every minute for three weeks. At the bound whoever comes is shown as not verified,
 * since to forget a key would let its statement be played back.
 */
export const MAX_BOX_KEYS = 32_768;
/** Lives of which box keys are remembered, those entered last. */
export const MAX_KEPT = 16;
const SPENT = -1;

/** The box keys of one life. Each belongs to the seat that had it first, until that seat ends. */
export class BoxKeys {
  /** The participant that each was seen with first; `SPENT` once that one is gone. */
  readonly #seats = new Map<string, number>();

  /** Note a box key; tell whether it is this participant's: not spent, and not first seen with another one. */
  belongs(boxKey: Uint8Array, participant: number): boolean {
    const key = hex(boxKey);
    const seat = this.#seats.get(key);
    if (seat !== undefined) return seat === participant;
    if (this.#seats.size >= MAX_BOX_KEYS) return false;
    this.#seats.set(key, participant);
    return true;
  }

  /** The participant does not have it any more: nobody ever has it again in this life. */
  spend(boxKey: Uint8Array, participant: number): void {
    const key = hex(boxKey);
    if (this.#seats.get(key) === participant) this.#seats.set(key, SPENT);
  }
}

/** What one running page remembers; shared by all its sessions. */
export class Lives {
  /** By server and room, the one entered longest ago first: its newest life. */
  readonly #present = new Map<string, string>();
  /** Of each life its server and room, undefined where it is over. */
  readonly #rooms = new Map<string, string | undefined>();
  /** By life, the one entered longest ago first. */
  readonly #boxKeys = new Map<string, BoxKeys>();

  /**
   * Return what is known of a life that the server offers as that of a room (by its folded name).
   *
   * The present life of a room may be entered again and again: one comes back to a meeting that goes on. Throws `Distrust`
   * for a life that is over, one of another room or server, and a new one beyond `MAX_LIVES`.
   */
  enter(fingerprint: Uint8Array, room: string, life: Uint8Array): BoxKeys {
    const here = `${hex(fingerprint)} ${room}`;
    const offered = hex(life);
    if (this.#rooms.has(offered)) {
      if (this.#rooms.get(offered) !== here) {
        throw new Distrust("the server offers a life of a room that is over, or that belongs to another room");
      }
    } else if (this.#rooms.size >= MAX_LIVES) {
      throw new Distrust("this page has been in too many meetings to tell new ones from old ones: load it again");
    }
    const known = this.#present.get(here);
    if (known !== undefined && known !== offered) this.#over(known);
    toTheEnd(this.#present, here, offered);
    this.#rooms.set(offered, here);
    const boxKeys = this.#boxKeys.get(offered) ?? new BoxKeys();
    toTheEnd(this.#boxKeys, offered, boxKeys);
    if (this.#present.size > MAX_ROOMS) this.#over(takeFirst(this.#present));
    if (this.#boxKeys.size > MAX_KEPT) takeFirst(this.#boxKeys);
    return boxKeys;
  }

  #over(life: string): void {
    this.#rooms.set(life, undefined);
    this.#boxKeys.delete(life);
  }
}

function toTheEnd<V>(map: Map<string, V>, key: string, value: V): void {
  map.delete(key);
  map.set(key, value);
}

/** Remove the first entry of a map that has one, and return its value. */
function takeFirst<V>(map: Map<string, V>): V {
  for (const [key, value] of map) {
    map.delete(key);
    return value;
  }
  throw new RangeError("the map is empty");
}
