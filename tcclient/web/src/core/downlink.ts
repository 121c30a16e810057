/** What comes down to a seat: what is asked of the server, and what is done with what comes. */

import type { StreamChoice, Source } from "../protocol/messages.js";
import * as messages from "../protocol/messages.js";
import type { Line } from "./control.js";
import type { Drops } from "./drops.js";
import type { MemberKeyTable } from "./keys/member-keys.js";
import { RoomDatagramOpener } from "./keys/room-datagrams.js";
import type { Audible } from "./media/audible.js";
import { KeyframeSpacing } from "./media/keyframes.js";
import type { MediaPath } from "./path/media-path.js";
import { MediaReceiver } from "./media/receiving.js";
import type { RoomState } from "./membership/roster.js";

/** What `Downlink` works with. */
interface Surroundings {
  readonly path: MediaPath;
  readonly room: RoomState;
  readonly senders: MemberKeyTable;
  /** It is told what is heard. */
  readonly audible: Audible;
  readonly control: Line;
  readonly drops: Drops;
}

/** Receives the media of the others, as much of it as is wished. */
export class Downlink {
  readonly opener: RoomDatagramOpener;
  readonly media: MediaReceiver;
  readonly #control: Line;
  readonly #spacing = new KeyframeSpacing();
  #generation = 0;
  #wantsMedia = false;

  constructor({ path, room, senders, audible, control, drops }: Surroundings) {
    this.#control = control;
    this.opener = new RoomDatagramOpener(drops, (now) => path.askPosition(now));
    this.media = new MediaReceiver({
      path,
      opener: this.opener,
      room,
      senders,
      heard: (packet, now) => audible.received(packet, now),
      drops,
    });
  }

  /** Whether anything at all was asked for last. */
  get wantsMedia(): boolean {
    return this.#wantsMedia;
  }

  /** Set what is wanted, whole each time: sources of everybody, and single streams; return the request id. */
  subscribe(sources: readonly Source[], choices: readonly StreamChoice[] = []): number {
    this.#generation++;
    this.media.wantsChanged();
    this.#wantsMedia = sources.length > 0 || choices.some((choice) => choice.wanted);
    return this.#control.request(messages.Subscribe.make({ generation: this.#generation, defaults: sources, choices }));
  }

  /** Ask for a keyframe of a stream's layer; false where one was asked for within the last half second. */
  requestKeyframe(stream: number, spatial: number, now: number): boolean {
    const due = this.#spacing.due({ id: stream, spatial }, now);
    if (due) this.#control.send(messages.KeyframeRequest.make({ stream, spatial }));
    return due;
  }
}
