/** The connections of all members: ours is told, those of the others are heard of. */

import { type MemberQualities, OwnQuality, type Quality } from "../../protocol/messages.js";
import type { Line } from "../control.js";
import type { Emit } from "../events.js";
import type { RoomState } from "../membership/roster.js";

/** Tells how good connections are. The server could lie about the others: it is shown, and nothing is decided by it. */
export class Connections {
  readonly #control: Line;
  readonly #emit: Emit;
  readonly #room: RoomState;

  constructor(control: Line, emit: Emit, room: RoomState) {
    this.#control = control;
    this.#emit = emit;
    this.#room = room;
  }

  /** Tell the server how good our connection is now. */
  tell(quality: Quality): void {
    this.#control.send(OwnQuality.make({ quality }));
  }

  /** Take what the server tells of the others. */
  receive({ members }: MemberQualities): void {
    for (const { participant, quality } of members) {
      if (participant !== this.#room.own && this.#room.members.has(participant)) {
        this.#emit({ type: "connectionQuality", participant, quality });
      }
    }
  }
}
