/** What waits for a signature of the device, whose key only the owner of the session can use. */

import type { Emit } from "./events.js";

/** Signatures that are waited for: those of a login, a seat and some beacons. The oldest are given up first. */
export const MAX_UNSIGNED = 8;

/** What goes on once the signature, 64 bytes, is there. */
export type Signed = (signature: Uint8Array, now: number) => void;

/** Asks the owner for signatures, each under an id that never comes back. */
export class Signing {
  readonly #emit: Emit;
  readonly #waiting = new Map<number, Signed>();
  #lastId = 0;

  /** `device` is the public half of the device identity, 32 bytes. */
  constructor(
    readonly device: Uint8Array,
    emit: Emit,
  ) {
    this.#emit = emit;
  }

  /** Ask for a signature of these bytes. */
  ask(bytes: Uint8Array, signed: Signed): void {
    this.#lastId++;
    this.#waiting.set(this.#lastId, signed);
    for (const id of this.#waiting.keys()) {
      if (this.#waiting.size > MAX_UNSIGNED) this.#waiting.delete(id);
    }
    this.#emit({ type: "sign", id: this.#lastId, bytes });
  }

  /** Go on with a signature; one that nothing waits for any more is ignored. */
  signed(id: number, signature: Uint8Array, now: number): void {
    const goOn = this.#waiting.get(id);
    this.#waiting.delete(id);
    goOn?.(signature, now);
  }

  /** Nothing waits any more: the connection or the seat is over. */
  forget(): void {
    this.#waiting.clear();
  }
}
