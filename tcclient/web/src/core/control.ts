/** The control connection of a session: its name in the handshake, and whether the server is still there. */

import { ControlConnection } from "../protocol/control.js";
import { Ping } from "../protocol/messages.js";
import { CONTROL_TIMEOUT } from "../protocol/path.js";
import { KEY_SIZE } from "../protocol/sodium.js";
import type { Timers } from "./timers.js";

/** Seconds between pings on the control connection. Two may be late before the connection counts as lost. */
export const CONTROL_PING = 5.0;
/** Name of this software in the handshake. */
const SOFTWARE = "tcclient/web";

/** Return the client's end of a control connection, for a session. */
export function controlConnection(randomBytes: (size: number) => Uint8Array): ControlConnection {
  return new ControlConnection(SOFTWARE, randomBytes(KEY_SIZE));
}

/** Pings the server, and calls `lost` if nothing at all has come for too long. */
export class Liveness {
  /** Name of its deadline. */
  static readonly NAME = "ping";
  /** Seconds of the last round trip. */
  rtt: number | undefined;
  readonly #control: ControlConnection;
  readonly #timers: Timers;
  readonly #lost: () => void;
  #pings = false;
  #heardAt = 0;

  constructor(control: ControlConnection, timers: Timers, lost: () => void) {
    this.#control = control;
    this.#timers = timers;
    this.#lost = lost;
  }

  /** Watch from now on; `pings` says whether anything may be sent. */
  watch(now: number, pings: boolean): void {
    this.#pings = pings;
    this.#heardAt = now;
    this.#timers.set(Liveness.NAME, now + CONTROL_PING, (at) => this.#due(at));
  }

  /** Watch no longer: the next step is the owner's. */
  pause(): void {
    this.#timers.cancel(Liveness.NAME);
  }

  /** Something came. */
  heard(now: number): void {
    this.#heardAt = now;
  }

  /** A ping was answered. */
  answered(time: bigint, now: number): void {
    this.rtt = now - Number(time) / 1e6;
  }

  #due(now: number): void {
    if (now >= this.#heardAt + CONTROL_TIMEOUT) {
      this.#lost();
      return;
    }
    this.#timers.set(Liveness.NAME, now + CONTROL_PING, (at) => this.#due(at));
    if (this.#pings) this.#control.ask(Ping.make({ time: BigInt(Math.floor(now * 1e6)) }));
  }
}
