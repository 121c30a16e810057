/** The notifications about keys: those that come, to whom each is for, and those that are to be sent. */

import * as messages from "../../protocol/messages.js";
import type { Message } from "../../protocol/messages.js";
import type { Line } from "../control.js";
import type { MediaPath } from "../path/media-path.js";
import type { KeyInbox } from "./key-inbox.js";
import type { SenderKeys } from "./own-key.js";
import type { RoomDatagramOpener } from "./room-datagrams.js";

/** Who has keys in a seat. */
interface KeyHolders {
  readonly control: Line;
  readonly inbox: KeyInbox;
  readonly keys: SenderKeys;
  readonly path: MediaPath;
  readonly opener: RoomDatagramOpener;
}

export class KeyMessages {
  readonly #holders: KeyHolders;

  constructor(holders: KeyHolders) {
    this.#holders = holders;
  }

  /** Act on a notification about keys; tell whether it is one. */
  handle(message: Message, now: number): boolean {
    const { inbox, keys, path, opener } = this.#holders;
    switch (message.t) {
      case "key_boxes":
        inbox.receive(message.boxes, now);
        return true;
      case "key_receipts":
        keys.receive(message.receipts, now);
        return true;
      case "session_keys":
        path.rekey(message, now);
        return true;
      case "media_move":
        path.move(message, now);
        return true;
      case "room_key":
        opener.addKey(message.roomKey);
        return true;
      case "sealer_closed":
        opener.close(message.sealer);
        return true;
      default:
        return false;
    }
  }

  /** Send the boxes and receipts that have collected. */
  send(): void {
    const { control, inbox, keys } = this.#holders;
    for (const boxes of inParts(keys.takeBoxes())) control.send(messages.KeyBoxes.make({ boxes }));
    for (const receipts of inParts(inbox.takeReceipts())) control.send(messages.KeyReceipts.make({ receipts }));
  }
}

/** Return an array in parts that fit a message of key boxes or receipts. */
function inParts<T>(all: readonly T[]): T[][] {
  const parts: T[][] = [];
  for (let start = 0; start < all.length; start += messages.MAX_KEY_BOXES) {
    parts.push(all.slice(start, start + messages.MAX_KEY_BOXES));
  }
  return parts;
}
