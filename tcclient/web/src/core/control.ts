/** The control connection of a session: its name in the handshake, and whether the server is still there. */

import { ControlConnection } from "../protocol/control.js";
import { type Message, Ping } from "../protocol/messages.js";
import { CONTROL_TIMEOUT } from "../protocol/path.js";
import { KEY_SIZE } from "../protocol/sodium.js";
import type { Timers } from "./timers.js";

/** Seconds between pings on the control connection. Two may be late before the connection counts as lost. */
export const CONTROL_PING = 5.0;
/** Seconds for a sign of the server after the network has changed: a slow round trip with one retransmission. */
export const PROBE_PATIENCE = 2.0;
/**
 * Pings of the server that are answered in `CONTROL_PING` seconds, in which it sends one. A server that reads no answers
 * must not make a client keep any number of them.
 */
export const MAX_ANSWERED = 20;
/** Name of this software in the handshake. */
const SOFTWARE = "tcclient/web";

/** Return the client's end of a control connection, for a session. */
export function controlConnection(randomBytes: (size: number) => Uint8Array): ControlConnection {
  return new ControlConnection(SOFTWARE, randomBytes(KEY_SIZE));
}

/**
 * What is said on the control connections of a session, one after the other.
 *
 * While there is none, messages are kept, and sent when the session is resumed.
 */
export class Line {
  #control: ControlConnection;
  #isUp = true;

  constructor(control: ControlConnection) {
    this.#control = control;
  }

  /** Send a request, and return its id; as `ControlConnection.request`. */
  request(message: Message): number {
    const requestId = this.#control.request(message);
    this.#dropUnlessUp();
    return requestId;
  }

  /** Send a request that a timer repeats; as `ControlConnection.ask`. */
  ask(message: Message): void {
    this.#control.ask(message);
    this.#dropUnlessUp();
  }

  /** Send a notification; as `ControlConnection.send`. */
  send(message: Message): void {
    this.#control.send(message);
    this.#dropUnlessUp();
  }

  /** Note that the connection was lost, and return it: it has what the next one takes over. */
  wentDown(): ControlConnection {
    this.#isUp = false;
    return this.#control;
  }

  /** Go on with another connection. */
  comeUp(control: ControlConnection): void {
    [this.#control, this.#isUp] = [control, true];
  }

  #dropUnlessUp(): void {
    // What is encrypted is for a connection that is lost; the message itself is kept.
    if (!this.#isUp) this.#control.dataToSend();
  }
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
  #pingedSince = -Infinity;
  #pinged = 0;

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

  /** Find out at once whether the server is still there: it has `PROBE_PATIENCE` to say anything. */
  probe(now: number): void {
    if (!this.#pings) return;
    this.#ping(now);
    this.#timers.set(Liveness.NAME, now + PROBE_PATIENCE, (at) => {
      if (this.#heardAt <= now) this.#lost();
      else this.#due(at);
    });
  }

  /** Watch no longer: the next step is the owner's. */
  pause(): void {
    this.#timers.cancel(Liveness.NAME);
  }

  /** Something came. */
  heard(now: number): void {
    this.#heardAt = now;
  }

  /** Count a ping of the server, and tell whether to answer it. */
  mayAnswer(now: number): boolean {
    if (now >= this.#pingedSince + CONTROL_PING) [this.#pingedSince, this.#pinged] = [now, 0];
    this.#pinged += 1;
    return this.#pinged <= MAX_ANSWERED;
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
    if (this.#pings) this.#ping(now);
  }

  #ping(now: number): void {
    this.#control.ask(Ping.make({ time: BigInt(Math.floor(now * 1e6)) }));
  }
}
