/** What a participant may ask of the room, without a state of its own here. */

import * as messages from "../protocol/messages.js";
import type { Message, Role, Source } from "../protocol/messages.js";

/** Requests. Each returns its id, which `requestDone` or `requestFailed` repeats. */
export abstract class RoomVerbs {
  /**
   * Send a request that a participant may make; return its id.
   *
   * Throws `RangeError` for a value out of range; `Refusal` while too many are unanswered.
   */
  abstract request(message: Message): number;

  kick(participant: number, reason = ""): number {
    return this.request(messages.Kick.make({ participant, reason }));
  }

  setRole(participant: number, role: Role): number {
    return this.request(messages.SetRole.make({ participant, role }));
  }

  updateRoom(changes: { readonly title?: string; readonly maxParticipants?: number }): number {
    return this.request(messages.UpdateRoom.make(changes));
  }

  /** Let nobody else enter this life of the room, or let them enter again. */
  lockRoom(locked: boolean): number {
    return this.request(messages.LockRoom.make({ locked }));
  }

  /** Hold all pictures of the room, or let them be sent again. */
  setAudioOnly(audioOnly: boolean): number {
    return this.request(messages.SetAudioOnly.make({ audioOnly }));
  }

  raiseHand(): number {
    return this.request(messages.RaiseHand.make({}));
  }

  /** Lower the hand of a participant, by default our own, or all hands. */
  lowerHand({ participant = 0, everybody = false } = {}): number {
    return this.request(messages.LowerHand.make({ participant, everybody }));
  }

  /** Ask a participant (0: everybody of a lower rank) to mute or unmute a source, or hold it muted (`hard`). */
  muteOther(participant: number, source: Source, muted: boolean, hard = false): number {
    return this.request(messages.MuteOther.make({ participant, source, muted, hard }));
  }

  closeRoom(): number {
    return this.request(messages.CloseRoom.make({}));
  }
}
