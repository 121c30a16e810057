/** What a person asks of the server or of the others, without a state of its own here. */

import type { AskedSource, HeldSource, Meeting, ParticipantId, RoomChanges } from "../engine/meeting.js";
import type { Role } from "../protocol/messages.js";
import { handsUp } from "./participant.js";
import type { Actions } from "./view.js";

type Asked =
  | "toggleHand"
  | "setVolume"
  | "ask"
  | "hold"
  | "release"
  | "stopScreen"
  | "lowerHand"
  | "lowerAllHands"
  | "setRole"
  | "remove"
  | "setRoom"
  | "callNext"
  | "closeRoom";

/** Passes what is asked to the meeting; what is refused is told to the person. */
export abstract class Requests implements Pick<Actions, Asked> {
  constructor(protected readonly meeting: Meeting) {}

  /** Wait for an answer, and tell a problem. Return whether it went well. */
  protected abstract request(doing: Promise<void>): Promise<boolean>;

  /** The same in a dialog: it stays open with the problem, or closes. */
  protected abstract requestInDialog(doing: Promise<void>): Promise<boolean>;

  toggleHand(): void {
    const raised = (this.meeting.state.me?.hand ?? 0) > 0;
    void this.request(raised ? this.meeting.lowerHand() : this.meeting.raiseHand());
  }

  setVolume(participant: ParticipantId, volume: number): void {
    this.meeting.setVolume(participant, volume);
  }

  ask(participant: ParticipantId, source: AskedSource, on: boolean): void {
    void this.request(this.meeting.ask(participant, source, on));
  }

  hold(source: HeldSource, participant?: ParticipantId): void {
    void this.request(this.meeting.hold(source, participant));
  }

  release(source: HeldSource, participant?: ParticipantId): void {
    void this.request(this.meeting.release(source, participant));
  }

  stopScreen(participant: ParticipantId): void {
    // A hold would last, and nobody sees one of a screen that is not shared any more.
    const { meeting } = this;
    void this.request(meeting.hold("screen", participant).then(() => meeting.release("screen", participant)));
  }

  lowerHand(participant: ParticipantId): void {
    void this.request(this.meeting.lowerHand(participant));
  }

  lowerAllHands(): void {
    void this.request(this.meeting.lowerAllHands());
  }

  setRole(participant: ParticipantId, role: Role): void {
    void this.request(this.meeting.setRole(participant, role));
  }

  remove(participant: ParticipantId): void {
    void this.requestInDialog(this.meeting.remove(participant));
  }

  setRoom(changes: RoomChanges): void {
    void this.requestInDialog(this.meeting.setRoom(changes));
  }

  callNext(): void {
    const { me, participants } = this.meeting.state;
    const [first] = handsUp(me === undefined ? participants : [me, ...participants]);
    if (first !== undefined) void this.request(this.meeting.callUp(first.id));
  }

  closeRoom(): void {
    void this.requestInDialog(this.meeting.closeRoom());
  }
}
