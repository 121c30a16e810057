/** Who is heard, told as it begins and ends. */

import { type AudioHeader, isAudio } from "../../protocol/packet.js";
import type { Emit, RosterEvent } from "../events.js";
import { type RoomState, trackKey } from "../membership/roster.js";
import type { MediaPacket } from "./packet.js";
import { Speaking, Unmuted } from "./speaking.js";

/** Tells from packets that opened who speaks, and which tracks are not muted although the server says so. */
export class Audible {
  readonly #room: RoomState;
  readonly #emit: Emit;
  readonly #speaking = new Speaking();
  readonly #unmuted = new Unmuted();

  constructor(room: RoomState, emit: Emit) {
    this.#room = room;
    this.#emit = emit;
  }

  /** When `handleTimeout` is due. */
  get nextDeadline(): number {
    return this.#speaking.nextDeadline;
  }

  /** A packet of another participant opened. */
  received(packet: MediaPacket, now: number): void {
    if (isAudio(packet.header)) this.heard(packet.participant, packet.header, now);
    const track = trackKey(packet.participant, packet.publication);
    if (!this.#unmuted.came(track, now)) return;
    const info = this.#room.publications.get(track);
    if (info !== undefined) this.#emit({ type: "trackUpdated", track: { ...info, muted: false } });
  }

  /** Sound of a participant, or of ourselves. */
  heard(participant: number, header: AudioHeader, now: number): void {
    if (this.#speaking.heard(participant, header, now)) this.#tell([participant], []);
  }

  /** Take what the roster says of tracks, and who left. */
  rosterChanged(changed: readonly RosterEvent[], now: number): void {
    for (const event of changed) {
      if (event.type === "trackPublished" || event.type === "trackUpdated") {
        this.#unmuted.said(trackKey(event.track.participant, event.track.number), event.track.muted, now);
      } else if (event.type === "trackUnpublished") {
        this.#unmuted.ended(trackKey(event.track.participant, event.track.number));
      } else if (event.type === "participantLeft") {
        const { participant } = event.participant.member;
        if (this.#speaking.left(participant)) this.#tell([], [participant]);
      }
    }
  }

  /** Tell who has stopped speaking. */
  handleTimeout(now: number): void {
    const stopped = this.#speaking.handleTimeout(now);
    if (stopped.length > 0) this.#tell([], stopped);
  }

  #tell(started: readonly number[], stopped: readonly number[]): void {
    this.#emit({ type: "speakers", started, stopped, dominant: this.#speaking.dominant });
  }
}
