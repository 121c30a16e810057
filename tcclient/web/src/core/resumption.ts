/** The resumption of a session: what is kept of a connection that was lost, for the one that takes it over. */

import { NO_BYTES } from "../protocol/bytes.js";
import type { ControlConnection } from "../protocol/control.js";
import { type Action, type ErrorCode, Refusal } from "../protocol/errors.js";
import type { Resumed } from "../protocol/messages.js";
import { Line } from "./control.js";
import type { Login } from "./login.js";
import { Distrust } from "./membership/distrust.js";

/** Keeps a session over its connections. */
export class Resumption {
  /** What is said on the connections. */
  line: Line;
  /** What resumes the session, once. */
  token: Uint8Array = NO_BYTES;
  /** The connection that was lost, of a seat that is to be resumed. */
  #held: ControlConnection | undefined;

  /** `control` is the first connection. */
  constructor(control: ControlConnection) {
    this.line = new Line(control);
  }

  /** Whether there is a seat that is to be resumed. */
  get isPending(): boolean {
    return this.#held !== undefined;
  }

  /** Take another connection: it goes on from the one that was lost, or begins anew where none is held. */
  connected(control: ControlConnection): void {
    if (this.#held === undefined) this.line = new Line(control);
    else control.follow(this.#held);
  }

  /** Hold the connection that was lost. */
  lost(): void {
    this.#held = this.line.wentDown();
  }

  /** Hold no connection any more: the seat is gone. */
  forget(): void {
    this.#held = undefined;
  }

  /** Ask for the seat by `login`; throws `Refusal` where none is to be resumed. */
  request(login: Login): void {
    if (this.#held === undefined) throw new Refusal("cannot_resume");
    login.resume(this.token, BigInt(this.#held.received));
  }

  /**
   * Go on with `control`: what the server has not received is sent again. `participant` is the one of our seat.
   *
   * Returns false where some of it is kept no more. Throws `Distrust` for a reply that no honest server gives.
   */
  resumed(resumed: Resumed, participant: number, control: ControlConnection): boolean {
    const [held, number] = [this.#held, Number(resumed.number)];
    if (held === undefined) return false;
    if (resumed.participant !== participant) {
      throw new Distrust("the server gives us another seat than the one that we had");
    }
    if (number > held.sent.number) throw new Distrust("the server has more messages of ours than we sent");
    if (!held.sent.hasAfter(number)) return false;
    [this.#held, this.token] = [undefined, resumed.resumeToken];
    control.takeOver(held, number);
    this.line.comeUp(control);
    return true;
  }

  /** Tell whether a seat goes on after the end of a connection: of its own, or of one that was to resume it. */
  isPossible(code: ErrorCode | undefined, action: Action): boolean {
    if (code === "shutdown") return false;
    if (this.#held !== undefined) return action === "reconnect" || action === "resume";
    return action === "resume" || (code === undefined && action === "reconnect");
  }
}
