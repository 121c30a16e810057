/** Who is here by word of their devices: our beacons to the others, and theirs to us. */

import { type Beacon, type BeaconContext, NO_COMMITMENT, unsignedBeacon } from "../../protocol/beacon.js";
import { concat } from "../../protocol/bytes.js";
import { clockUs } from "../../protocol/serial.js";
import type { Emit, PathState } from "../events.js";
import type { SenderKeys } from "../keys/own-key.js";
import type { MemberKeys } from "../keys/member-keys.js";
import type { Egress } from "../path/egress.js";
import type { Publications } from "../media/publications.js";
import type { Signing } from "../signing.js";
import { BeaconSchedule } from "./beacons.js";
import type { RoomState } from "./roster.js";
import { Silence } from "./silence.js";

/** What `Presence` works with. */
interface Surroundings {
  /** The stream of our beacons. */
  readonly stream: number;
  /** The public box key of our seat. */
  readonly boxKey: Uint8Array;
  readonly room: RoomState;
  /** The members that get our keys: all but the silent ones. */
  readonly recipients: Map<number, MemberKeys>;
  readonly keys: SenderKeys;
  readonly publications: Publications;
  readonly egress: Egress;
  readonly signing: Signing;
  readonly emit: Emit;
  readonly randomBytes: (size: number) => Uint8Array;
}

/** Sends beacons of our seat, judges those of the others, and keeps our keys from members that send none. */
export class Presence {
  readonly schedule: BeaconSchedule;
  readonly #around: Surroundings;
  readonly #context: BeaconContext;
  readonly #silence = new Silence();

  constructor(around: Surroundings) {
    this.schedule = new BeaconSchedule(around.randomBytes);
    this.#around = around;
    this.#context = { fingerprint: around.room.fingerprint, life: around.room.room.life, boxKey: around.boxKey };
  }

  /** When `handleTimeout` is due. */
  get nextDeadline(): number {
    return Math.min(this.schedule.nextDeadline, this.#silence.nextDeadline);
  }

  /**
   * Expect beacons while the path is proved; send them from when it is, or does not seem to come about, on.
   *
   * What is sent while it is lost may arrive all the same, and whoever sends none gets no keys.
   */
  pathChanged(state: PathState, now: number): void {
    this.#silence.path(state === "ok", now);
    if (state !== "unknown" && !this.schedule.isRunning) this.schedule.begin(now);
    else if (state === "ok") this.schedule.answer(now);
  }

  /** A verified member is here: it gets our keys, and a beacon soon. */
  came(member: MemberKeys, now: number): void {
    this.#around.recipients.set(member.id, member);
    this.#around.keys.joined(member.id, now);
    this.#silence.came(member.id, now);
    this.schedule.answer(now);
  }

  /** A verified member is gone, or not verified any more. */
  left(participant: number, kicked: boolean, now: number): void {
    this.#silence.left(participant);
    if (this.#around.recipients.delete(participant)) this.#around.keys.left(participant, kicked, now);
  }

  /** Take a beacon of a member; `first` says that none came of it before. */
  receive(member: MemberKeys, beacon: Beacon, first: boolean, now: number): void {
    const { room, recipients, keys, emit } = this.#around;
    const streams = new Set(
      [...room.streams].filter(([, { participant }]) => participant === member.id).map(([id]) => id),
    );
    const differed = member.claims.mismatch;
    member.claims.receive(beacon, streams, room.memberSetHash(), now);
    const wasSilent = this.#silence.heard(member.id, now);
    if (wasSilent) {
      recipients.set(member.id, member);
      keys.joined(member.id, now);
      emit({ type: "memberHeard", participant: member.id });
    }
    if (first || wasSilent) this.schedule.answer(now);
    if (member.claims.mismatch !== differed) {
      emit({ type: differed ? "membershipAgreed" : "membershipMismatch", participant: member.id });
    }
    this.compare(member, now);
  }

  /** A beacon or a key came: tell if they do not go together. */
  compare(member: MemberKeys, now: number): void {
    if (member.keyDiffers(now)) this.#around.emit({ type: "commitmentMismatch", participant: member.id });
  }

  /**
   * Note who has become silent, and send the beacon that is due.
   *
   * To become silent counts as to leave: there is a new key, which ratchets of the old one do not lead to.
   */
  handleTimeout(now: number): void {
    const { room, recipients, keys, emit } = this.#around;
    for (const participant of this.#silence.handleTimeout(room.members.size, now)) {
      recipients.delete(participant);
      keys.left(participant, false, now);
      emit({ type: "memberSilent", participant });
    }
    if (now >= this.schedule.nextDeadline) this.#send(now);
  }

  #send(now: number): void {
    const { room, keys, publications, stream, egress, signing } = this.#around;
    const key = keys.current;
    const beacon: Beacon = {
      memberSet: room.memberSetHash(),
      keyNumber: key?.number ?? 0,
      generation: key?.generation ?? 0,
      commitment: key?.commitment() ?? NO_COMMITMENT,
      clocks: publications.clocks(),
    };
    const { front, signed } = unsignedBeacon(beacon, stream, this.schedule.sequence, clockUs(now), this.#context);
    this.schedule.sent(key, now);
    signing.ask(signed, (signature) => egress.sendPacket(concat(front, signature)));
  }
}
