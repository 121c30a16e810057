/** What a session is made with. */

import type { Source } from "../protocol/messages.js";
import type { Lives } from "./membership/lives.js";

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
