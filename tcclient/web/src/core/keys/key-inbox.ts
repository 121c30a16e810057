/** The key boxes that come: opened, or held until the roster names their senders. */

import { CryptoFailure } from "../../protocol/errors.js";
import type { AddressedBox, KeyReceipt } from "../../protocol/messages.js";
import type { Drops } from "../drops.js";
import type { RoomState } from "../membership/roster.js";
import type { MemberKeys } from "./member-keys.js";

/** Key boxes that wait for the roster to name their senders; the oldest go first. */
export const MAX_EARLY_BOXES = 256;
/** Seconds for which they wait: the server tells changes in batches, and a snapshot may have to be asked for. */
export const EARLY_BOX_HOLD = 5.0;

interface EarlyBox {
  readonly cameAt: number;
  readonly addressed: AddressedBox;
}

/** Opens key boxes. */
export class KeyInbox {
  readonly #room: RoomState;
  readonly #senders: ReadonlyMap<number, MemberKeys>;
  readonly #opened: (sender: MemberKeys, now: number) => void;
  readonly #drops: Drops;
  #early: EarlyBox[] = [];
  #receipts: KeyReceipt[] = [];

  /** `opened` is called with the sender and `now` for each box that holds a new key. */
  constructor(
    room: RoomState,
    senders: ReadonlyMap<number, MemberKeys>,
    opened: (sender: MemberKeys, now: number) => void,
    drops: Drops,
  ) {
    this.#room = room;
    this.#senders = senders;
    this.#opened = opened;
    this.#drops = drops;
  }

  /** Take boxes that came now. */
  receive(boxes: readonly AddressedBox[], now: number): void {
    for (const addressed of boxes) this.#take({ cameAt: now, addressed }, now);
  }

  /** Look again at the boxes that wait, after the roster changed. */
  retry(now: number): void {
    const early = this.#early;
    this.#early = [];
    for (const box of early) this.#take(box, now);
  }

  /** Return the receipts that wait to be sent, once. */
  takeReceipts(): KeyReceipt[] {
    const receipts = this.#receipts;
    this.#receipts = [];
    return receipts;
  }

  /** Open a key box, or let it wait: its sender may have been told of us before we are told of the sender. */
  #take(early: EarlyBox, now: number): void {
    const { participant, box } = early.addressed;
    const sender = this.#senders.get(participant);
    if (sender === undefined && !this.#room.members.has(participant) && now < early.cameAt + EARLY_BOX_HOLD) {
      this.#wait(early);
      return;
    }
    try {
      if (sender === undefined) throw new CryptoFailure("the sender is not a verified member");
      this.#receipts.push({ participant, key: sender.openBox(box, now) });
    } catch (error) {
      if (!(error instanceof CryptoFailure)) throw error;
      this.#drops.add("key_box");
      return;
    }
    this.#opened(sender, now);
  }

  #wait(early: EarlyBox): void {
    this.#early.push(early);
    if (this.#early.length <= MAX_EARLY_BOXES) return;
    this.#early.shift();
    this.#drops.add("key_box");
  }
}
