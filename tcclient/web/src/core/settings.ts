/** What a session is made with, and how far it has come. */

import type { Source } from "../protocol/messages.js";
import type { Lives } from "./membership/lives.js";

/** How far a session has come. */
export type Phase =
  | "connecting"
  /** The server has proved a key that nobody has accepted yet. Nothing is sent. */
  | "untrusted"
  /** Ready for `beginLogin`, or for `resume` where there is a seat. */
  | "trusted"
  | "loggingIn"
  /** Ready for `join`. */
  | "lobby"
  | "joining"
  | "room"
  /** The connection was lost, and the seat goes on. Ready for `reconnect`. */
  | "detached"
  | "closed";

export interface Settings {
  /** Fingerprint of the server, 20 bytes, from the link or pinned. Undefined: the owner decides on `serverKey`. */
  readonly fingerprint: Uint8Array | undefined;
  /** Sources of everybody that are subscribed to after a join. */
  readonly sources: readonly Source[];
}

/** What a session takes from its owner. */
export interface Environment {
  /** The public half of the device identity, 32 bytes. */
  readonly device: Uint8Array;
  /** Return so many random bytes, as `crypto.getRandomValues` makes them. */
  readonly randomBytes: (size: number) => Uint8Array;
  /** The lives that this page has been in, shared by all its sessions; it outlives each. */
  readonly lives: Lives;
}
