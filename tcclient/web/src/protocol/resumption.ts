/** What a resumed session goes on with: both sides count the messages of a session, and keep those to be sent again. */

import type { Message, Unknown } from "./messages.js";

/**
 * Messages that are not counted, and never sent again: what they tell is in `resumed` and in the snapshot behind it, or is
 * of that moment only.
 */
const UNCOUNTED: ReadonlySet<Message["t"] | undefined> = new Set<Message["t"]>([
  "ping",
  "pong",
  "close",
  "welcome",
  "resumed",
  "session_keys",
  "media_move",
  "snapshot",
  "speakers",
  "keyframe_request",
]);
/** Bytes of the messages that each side keeps, encoded: those of a minute in a lively room. The oldest are forgotten. */
export const MAX_KEPT_BYTES = 256 * 1024;

/** Tell whether a message that is sent or received after `welcome` is counted. Those of unknown types are. */
export function isCounted(message: Message | Unknown): boolean {
  return !UNCOUNTED.has(message.t);
}

/** A message that the other side may not have. */
export interface KeptMessage {
  readonly message: Message;
  /** 0 for a notification. */
  readonly requestId: number;
  /** Bytes of the message as it is encoded. */
  readonly size: number;
}

/** The counted messages that one side of a session has sent. The newest of them are kept. */
export class SentMessages {
  /** Number of the newest message; 0 before the first. */
  number = 0;
  readonly #maxBytes: number;
  #bytes = 0;
  readonly #kept: KeptMessage[] = [];

  constructor(maxBytes = MAX_KEPT_BYTES) {
    this.#maxBytes = maxBytes;
  }

  /** Count a message, and keep it. Older ones are forgotten where there is no room. */
  add(kept: KeptMessage): void {
    this.number++;
    this.#bytes += kept.size;
    this.#kept.push(kept);
    while (this.#bytes > this.#maxBytes) this.#forgetOldest();
  }

  /** Forget the messages up to a number: the other side has them. */
  forget(number: number): void {
    while (this.#kept.length > 0 && this.#lowest < number) this.#forgetOldest();
  }

  /** Tell whether all messages after a number are kept. There are none after a number that was not reached. */
  hasAfter(number: number): boolean {
    return this.#lowest <= number && number <= this.number;
  }

  /** Return the messages after a number, of which `hasAfter` is true. */
  after(number: number): readonly KeptMessage[] {
    return this.#kept.slice(number - this.#lowest);
  }

  /** Number of the newest message that is forgotten. */
  get #lowest(): number {
    return this.number - this.#kept.length;
  }

  #forgetOldest(): void {
    this.#bytes -= this.#kept.shift()?.size ?? 0;
  }
}
