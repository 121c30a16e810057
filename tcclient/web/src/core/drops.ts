/**
 * Why a datagram, a packet in one, or a text was dropped. It is counted under its reason and never answered.
 */
export type Drop =
  /** Shorter than a header and a tag, or longer than a datagram may be. */
  | "size"
  /** Another protocol version. */
  | "version"
  /** Not a kind that a client receives. */
  | "kind"
  /** Neither our media id nor a sealer of the room. */
  | "unknown_id"
  /** No key of this epoch, or not any more. */
  | "unknown_epoch"
  /** The counter was seen, or is too old to tell. */
  | "replay"
  /** The counter is farther ahead than the sealer can be. */
  | "ahead"
  /** The box of the datagram did not open. */
  | "not_opened"
  /** The items of an opened datagram are malformed. */
  | "malformed"
  /** A packet's header or padding is malformed, or it is of another type than its stream. */
  | "packet_malformed"
  /** No publication in the room has this stream, nor got it in time. */
  | "unknown_stream"
  /** A packet of ours came back. */
  | "own"
  /** The publisher's member signature does not hold. */
  | "unverified"
  /** The sender key of a packet or a text, or a text's sender, did not come in time. */
  | "no_key"
  /** Replayed end to end, under an expired key, or its box did not open; a beacon whose signature does not hold. */
  | "packet_refused"
  /** The application does not take its media, or sends more than may leave. */
  | "queue_full"
  /** A key box that did not open, was made for something else, whose number came before, or from nobody here. */
  | "key_box"
  /** A text of a participant that is not sealed, in an end-to-end encrypted room. */
  | "plain_text"
  /** A sealed text that did not open, was not new, was made for something else, or has no place in this room. */
  | "text"
  /** Not sent: the counter of the up key is at its end. */
  | "counter_spent";

/** Counts what was dropped. */
export class Drops {
  readonly #counts = new Map<Drop, number>();

  get counts(): ReadonlyMap<Drop, number> {
    return this.#counts;
  }

  add(reason: Drop, more = 1): void {
    this.#counts.set(reason, (this.#counts.get(reason) ?? 0) + more);
  }
}
