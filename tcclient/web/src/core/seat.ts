/** A seat in a room: its roster, keys, media path, publications and subscriptions. */

import { Refusal } from "../protocol/errors.js";
import type { PublicationId } from "../protocol/keyring.js";
import * as messages from "../protocol/messages.js";
import type { ChatScope, Message } from "../protocol/messages.js";
import type { AudioHeader } from "../protocol/packet.js";
import type { Party } from "../protocol/sender-key.js";
import type { Line } from "./control.js";
import { Downlink } from "./downlink.js";
import type { Drops } from "./drops.js";
import type { Emit, RosterEvent } from "./events.js";
import type { Place } from "./joining.js";
import { KeyInbox } from "./keys/key-inbox.js";
import { KeyMessages } from "./keys/key-messages.js";
import { BARE, type SealingKey, SenderKeys } from "./keys/own-key.js";
import { type MemberKeys, MemberKeyTable } from "./keys/member-keys.js";
import { Audible } from "./media/audible.js";
import { Connections } from "./media/connections.js";
import { Egress } from "./path/egress.js";
import { MediaPath } from "./path/media-path.js";
import { Publications } from "./media/publications.js";
import { Publishing } from "./media/publishing.js";
import { Presence } from "./membership/presence.js";
import { SnapshotRequests } from "./membership/snapshots.js";
import { RoomState, trackKey } from "./membership/roster.js";
import type { Signing } from "./signing.js";
import { type ShownTexts, Texts } from "./texts.js";
import { NEVER, type Timers } from "./timers.js";
import { RoomVerbs } from "./verbs.js";

/** Seconds between looks for keys that have expired: none stays longer than its overlap and this. */
export const PURGE_INTERVAL = 1.0;

/** What a seat shares with its session. */
export interface SeatSurroundings {
  readonly control: Line;
  readonly emit: Emit;
  readonly randomBytes: (size: number) => Uint8Array;
  readonly drops: Drops;
  readonly shown: ShownTexts;
  readonly limits: messages.Limits;
  /** The deadlines of the session; those of the seat are forgotten with it. */
  readonly timers: Timers;
  readonly signing: Signing;
}

/** What a session has while it is in a room; `Session` owns it and feeds it. Requests return their id. */
export class Seat extends RoomVerbs {
  /** The roster: members, publications, safety code. */
  readonly room: RoomState;
  /** State and statistics of the media path. */
  readonly path: MediaPath;
  /** Keys and clock mappings of the other verified members. */
  readonly memberKeys: MemberKeyTable;
  readonly downlink: Downlink;
  readonly egress: Egress;
  readonly publications: Publications;
  /** The dialogue about our publications. */
  readonly publishing: Publishing;
  readonly texts: Texts;
  readonly connections: Connections;
  /** Of the room, after a gap in the changes. */
  readonly snapshots: SnapshotRequests;
  readonly #around: SeatSurroundings;
  readonly #joined: messages.Joined;
  readonly #own: Party;
  readonly #keys: SenderKeys;
  readonly #presence: Presence;
  readonly #inbox: KeyInbox;
  readonly #keyMessages: KeyMessages;
  readonly #audible: Audible;
  #pathState: MediaPath["state"];
  #isComplete = false;
  #purgeAt = NEVER;

  constructor(joined: messages.Joined, place: Place, around: SeatSurroundings) {
    const { emit, randomBytes, drops, shown, timers, signing } = around;
    const { fingerprint, seat, boxPrivate } = place.identity;
    const recipients = new Map<number, MemberKeys>();
    super();
    this.#around = around;
    this.#joined = joined;
    this.#own = { deviceKey: seat.deviceKey, boxKey: seat.boxKey };
    const { life, name: room, e2ee } = place.room;
    this.memberKeys = new MemberKeyTable({ life, room, e2ee, recipient: this.#own }, boxPrivate);
    this.snapshots = new SnapshotRequests(() => around.control.ask(messages.GetSnapshot.make({})));
    this.egress = new Egress(joined, drops);
    this.path = new MediaPath(this.egress, joined.downKey, drops);
    this.#pathState = this.path.state;
    this.publications = new Publications({
      sealingKey: (publication) => this.#sealingKey(publication),
      egress: this.egress,
      clockChanged: (now, isFirst) => this.#clockChanged(now, isFirst),
      spoke: (header, now) => this.#spoke(header, now),
      drops,
    });
    const own = { ...seat, participant: joined.participant };
    this.room = new RoomState(place.room, fingerprint, own, place.boxKeys, (info) => this.publications.isOurs(info));
    this.#audible = new Audible(this.room, emit);
    this.downlink = new Downlink({
      path: this.path,
      room: this.room,
      senders: this.memberKeys,
      audible: this.#audible,
      control: around.control,
      drops,
    });
    for (const roomKey of joined.roomKeys) this.downlink.opener.addKey(roomKey);
    this.#keys = new SenderKeys({
      life,
      room,
      own: this.#own,
      members: recipients,
      firstSequences: () => this.publications.firstSequences(),
      randomBytes,
    });
    this.publishing = new Publishing({
      control: around.control,
      emit,
      publications: this.publications,
      keys: e2ee ? this.#keys : undefined,
      settle: (now) => this.settle(now),
    });
    this.#presence = new Presence({
      stream: joined.beaconStream,
      boxKey: seat.boxKey,
      room: this.room,
      recipients,
      keys: this.#keys,
      publications: this.publications,
      egress: this.egress,
      signing,
      emit,
      randomBytes,
    });
    this.#inbox = new KeyInbox(this.room, this.memberKeys, (member, now) => this.#keyCame(member, now), drops);
    this.#keyMessages = new KeyMessages({
      control: around.control,
      inbox: this.#inbox,
      keys: this.#keys,
      path: this.path,
      opener: this.downlink.opener,
    });
    this.texts = new Texts({
      room: this.room,
      own: this.#own,
      memberKeys: this.memberKeys,
      keys: this.#keys,
      shown,
      limits: around.limits,
      randomBytes,
      emit,
      drops,
      timers,
    });
    this.connections = new Connections(around.control, emit, this.room);
    this.#followDeadlines(timers);
  }

  #followDeadlines(timers: Timers): void {
    const settle = (now: number): void => this.settle(now);
    const follow = (name: string, whose: { readonly nextDeadline: number }, act: (now: number) => void): void =>
      timers.follow(name, () => whose.nextDeadline, act);
    follow("keys", this.#keys, settle);
    follow("path", this.path, (now) => this.#pathDue(now));
    follow("egress", this.egress, () => undefined); // the burst is there to be taken
    follow("presence", this.#presence, (now) => this.#presence.handleTimeout(now));
    follow("speaking", this.#audible, (now) => this.#audible.handleTimeout(now));
    follow("keyframes", this.publications.keyframes, settle);
    follow("snapshot", this.snapshots, settle);
    timers.follow(
      "purge",
      () => this.#purgeAt,
      (now) => this.#purge(now),
    );
  }

  /** Go on under the keys of a resumed session, whose datagrams take another stream from now on. */
  resumed(resumed: messages.Resumed, now: number): void {
    if (resumed.mediaId === this.path.mediaId) this.path.rekey(resumed, now);
    else this.path.move(resumed, now);
    this.path.askPosition(now);
  }

  /** Act on a notification; one that belongs to no seat, or to a later version, is ignored. */
  handleMessage(message: Message, now: number): void {
    if (this.#keyMessages.handle(message, now)) {
      // The key of a text may have come.
      if (message.t === "key_boxes") this.texts.retry(now);
      return;
    }
    if (message.t === "snapshot") this.#snapshot(message, now);
    else if (message.t === "changes") this.#changes(message, now);
    else if (message.t === "keyframe_request") this.publications.keyframeNeeded(message.stream, message.spatial, now);
    else if (message.t === "chat_message") this.texts.receive(message, now);
    else if (message.t === "mute_asked") this.#muteAsked(message);
    else if (message.t === "interest") this.#interest(message);
    else if (message.t === "quality") this.connections.receive(message);
  }

  /** Take a datagram. */
  receiveDatagram(data: Uint8Array, now: number): void {
    this.downlink.media.receive(data, now);
    if (this.downlink.media.hasBeacons || this.path.state !== this.#pathState) this.settle(now);
  }

  /** Say what has collected: requests, boxes, receipts to the server; the rest to the application. */
  settle(now: number): void {
    const { emit } = this.#around;
    this.publishing.now = now;
    this.snapshots.handleTimeout(now);
    this.#keys.handleTimeout(now);
    if (this.#keys.current !== undefined) this.#presence.schedule.keyChanged(this.#keys.current, now);
    for (const { sender, beacon, first } of this.downlink.media.takeBeacons()) {
      if (this.memberKeys.get(sender.id) === sender) this.#presence.receive(sender, beacon, first, now);
    }
    this.#keyMessages.send();
    for (const { id, spatial } of this.publications.keyframes.take(now)) {
      emit({ type: "keyframeRequested", number: id, spatial });
    }
    for (const number of this.publications.takeReady()) emit({ type: "publicationReady", number });
    if (this.path.state !== this.#pathState) {
      this.#pathState = this.path.state;
      if (this.#isComplete) this.#presence.pathChanged(this.#pathState, now);
      emit({ type: "pathChanged", state: this.#pathState });
    }
  }

  // Verbs

  override request(message: Message): number {
    return this.#around.control.request(message);
  }

  /**
   * Send a text, sealed in an end-to-end encrypted room; return its message id, which `chatSent` or `chatFailed` repeats.
   *
   * `unixMs` is the wall clock, which is sealed with it. A notice (scope `server`) is never sealed. Throws `RangeError` for a
   * text beyond the server's limits or with control characters, `Refusal` for a private text to somebody who is not in the
   * room, or not verified where it has to be sealed.
   */
  sendChat(text: string, unixMs: number, now: number, scope: ChatScope = "room", participant = 0): Uint8Array {
    this.texts.check(text);
    if (!this.#isComplete) throw new Refusal("not_in_room", "the roster is not here yet, so nobody could read it");
    const chat = this.texts.compose({ text, scope, participant, unixMs }, now);
    this.settle(now); // The boxes of the key go before the text.
    try {
      this.request(chat);
    } catch (error) {
      this.texts.answered(chat.messageId, false);
      throw error;
    }
    return chat.messageId;
  }

  #clockChanged(now: number, isFirst: boolean): void {
    if (isFirst) this.#presence.schedule.streamStarted(now);
    else this.#presence.schedule.clockMoved(now);
  }

  #spoke(header: AudioHeader, now: number): void {
    this.#audible.heard(this.room.own, header, now);
  }

  #sealingKey(publication: PublicationId): SealingKey | undefined {
    return this.room.room.e2ee ? this.#keys.sealingKey(publication) : BARE;
  }

  // Messages

  #snapshot(page: messages.Snapshot, now: number): void {
    const changed = this.room.receiveSnapshot(page);
    if (changed === undefined) return;
    this.snapshots.arrived();
    const first = !this.#isComplete;
    this.#isComplete = true;
    if (first) {
      const { participant, role, permissions } = this.#joined;
      this.#around.emit({ type: "joined", participant, room: this.room.room, role, permissions });
    }
    this.#rosterChanged(changed, now);
    for (const [number, { stream }] of [...this.publications.live]) {
      // What was granted before the pages were made stands in them, unless it has ended since.
      const stands = this.room.publications.has(trackKey(this.room.own, number));
      if (stream !== undefined && !stands) this.publishing.ended(number);
    }
    if (first) {
      this.#presence.pathChanged(this.path.state, now);
      this.#purgeAt = now + PURGE_INTERVAL;
    }
  }

  #changes(message: messages.RoomChanges, now: number): void {
    const changed = this.room.receiveChanges(message);
    if (changed.length > 0) this.#rosterChanged(changed, now);
    else this.#retry(now);
    for (const { what, participant, number } of message.changes) {
      // One that began and ended within the message leaves no difference in the roster.
      if (what === "unpublished" && participant === this.room.own && number !== undefined)
        this.publishing.ended(number);
    }
    if (this.#isComplete && this.room.needsSnapshot) this.snapshots.gap(now);
  }

  #rosterChanged(changed: readonly RosterEvent[], now: number): void {
    const kicked = new Set<number>();
    for (const event of changed) {
      this.#around.emit(event);
      if (event.type === "participantLeft" && event.code === "kicked") kicked.add(event.participant.member.participant);
      if (!("track" in event) || event.track.participant !== this.room.own) continue;
      if (event.type === "trackUnpublished") this.publishing.ended(event.track.number);
      else this.publishing.flagsChanged(event.track);
    }
    this.#audible.rosterChanged(changed, now);
    this.#followMembers(kicked, now);
    this.downlink.media.streamsChanged(now);
    this.#retry(now);
  }

  /** Take in the verified members that have come, and let go of those that are gone. */
  #followMembers(kicked: ReadonlySet<number>, now: number): void {
    const { gone, come } = this.memberKeys.follow(this.room.verifiedOthers());
    for (const id of gone) this.#presence.left(id, kicked.has(id), now);
    this.#presence.schedule.resize(this.room.members.size);
    for (const member of come) this.#presence.came(member, now);
  }

  /** Look again at what waits for the roster. */
  #retry(now: number): void {
    this.#inbox.retry(now);
    this.texts.retry(now);
  }

  #keyCame(member: MemberKeys, now: number): void {
    this.#presence.compare(member, now);
    this.downlink.media.release(member, now);
  }

  #interest(message: messages.Interest): void {
    for (const wanted of this.publications.layersWanted(message)) {
      this.#around.emit({ type: "layersWanted", ...wanted });
    }
  }

  #muteAsked({ participant, source, muted }: messages.MuteAsked): void {
    if (this.room.members.has(participant) && source !== "unknown") {
      this.#around.emit({ type: "muteAsked", participant, source, muted });
    }
  }

  #pathDue(now: number): void {
    this.path.isOnCall = this.publications.live.size > 0 || this.downlink.wantsMedia;
    this.path.handleTimeout(now);
  }

  /** Forget keys that have expired, whether or not anything comes under them. */
  #purge(now: number): void {
    this.#purgeAt = now + PURGE_INTERVAL;
    this.path.forget(now);
    this.downlink.opener.forget(now);
    for (const member of this.memberKeys.values()) member.forget(now);
  }
}
