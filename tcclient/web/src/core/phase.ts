/** How far a session has come. */

import { Refusal } from "../protocol/errors.js";

const PHASES = [
  "connecting",
  /** The server has proved a key that nobody has accepted yet. Nothing is sent. */
  "untrusted",
  /** Ready for `beginLogin`, or for `resume` where there is a seat. */
  "trusted",
  "loggingIn",
  /** Ready for `join`. */
  "lobby",
  "joining",
  "room",
  /** The connection was lost, and the seat goes on. Ready for `reconnect`. */
  "detached",
  "closed",
] as const;

export type Phase = (typeof PHASES)[number];

/** Whether a session has come at least from the phase `first`, and no further than `last`. */
export function isWithin(phase: Phase, first: Phase, last: Phase): boolean {
  const reached = PHASES.indexOf(phase);
  return PHASES.indexOf(first) <= reached && reached <= PHASES.indexOf(last);
}

/** Throw `Refusal` if a session is in another phase than the one that a verb requires. */
export function requirePhase(phase: Phase, required: Phase): void {
  if (phase === required) return;
  const words = phase.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
  throw new Refusal(required === "room" ? "not_in_room" : "bad_request", `not possible while ${words}`);
}
