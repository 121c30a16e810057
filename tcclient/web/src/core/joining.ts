/** From the lobby to a seat: the room, and the signature of the seat. */

import type { ControlConnection } from "../protocol/control.js";
import { Refusal } from "../protocol/errors.js";
import { statementText } from "../protocol/membership.js";
import { Join, OpenRoom, type RoomInfo, type Welcome } from "../protocol/messages.js";
import { foldRoom } from "../protocol/names.js";
import { publicOf } from "../protocol/sodium.js";
import { Distrust } from "./membership/distrust.js";
import type { BoxKeys, Lives } from "./membership/lives.js";
import type { OwnSeat } from "./membership/roster.js";
import type { Signing } from "./signing.js";

/** Who sits here, and where. */
export interface SeatIdentity {
  /** The server's. */
  readonly fingerprint: Uint8Array;
  /** The seat as we signed it, but for its participant id, which the server gives. */
  readonly seat: Omit<OwnSeat, "participant">;
  /** The private half of the seat's box key. */
  readonly boxPrivate: Uint8Array;
}

/** A seat that the server was asked for. */
export interface Place {
  readonly room: RoomInfo;
  /** Box keys of everybody who was in this life of the room. */
  readonly boxKeys: BoxKeys;
  readonly identity: SeatIdentity;
}

export interface JoinSettings {
  /** As it was typed. */
  readonly room: string;
  /** The wall clock in Unix ms, which the member signature covers. */
  readonly unixMs: number;
  /** The mode of the room, as the link tells it; true by default. */
  readonly e2ee?: boolean;
}

/** The dialogue of a join. Its messages go to `control`. */
export class Joining {
  /** The seat, once it has been asked for. */
  place: Place | undefined;
  readonly #name: string;
  readonly #e2ee: boolean;
  readonly #signedAt: bigint;
  readonly #boxPrivate: Uint8Array;
  readonly #signing: Signing;
  readonly #control: ControlConnection;

  /** `boxPrivate` is the box key of the seat, 32 bytes. Throws `RangeError` for a name that no room can have. */
  constructor(settings: JoinSettings, boxPrivate: Uint8Array, signing: Signing, control: ControlConnection) {
    this.#name = foldRoom(settings.room);
    this.#e2ee = settings.e2ee ?? true;
    this.#signedAt = BigInt(settings.unixMs);
    this.#boxPrivate = boxPrivate;
    this.#signing = signing;
    this.#control = control;
    control.request(OpenRoom.make({ name: settings.room, e2ee: this.#e2ee })); // as typed: a new room is shown so
  }

  /**
   * Ask for a seat in the room, with a signature of its owner; `lives` are those of this client.
   *
   * Throws `Refusal` where the room has another mode, `Distrust` where it is another room.
   */
  opened(room: RoomInfo, fingerprint: Uint8Array, { account, name }: Welcome, lives: Lives): void {
    if (room.e2ee !== this.#e2ee) throw new Refusal("mode_mismatch");
    if (room.name !== this.#name) throw new Distrust("the server opens another room than the one asked for");
    const boxKeys = lives.enter(fingerprint, room.name, room.life);
    const [boxKey, signedAt, { life }] = [publicOf(this.#boxPrivate), this.#signedAt, room];
    const statement = { fingerprint, life, room: room.name, account, name, boxKey, signedAt };
    this.#signing.ask(statementText(statement), (signature) => {
      const seat = { account, name, deviceKey: this.#signing.device, boxKey, signedAt, signature };
      this.place = { room, boxKeys, identity: { fingerprint, seat, boxPrivate: this.#boxPrivate } };
      this.#control.request(Join.make({ name: this.#name, life, boxKey, signedAt, signature }));
    });
  }
}
