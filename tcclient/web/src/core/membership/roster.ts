/** The room as this client knows it: a snapshot, then numbered changes. */

import { equal } from "../../protocol/bytes.js";
import { type ErrorCode, ProtocolError } from "../../protocol/errors.js";
import type { PublicationId } from "../../protocol/keyring.js";
import { type MemberStatement, memberSetHash, safetyCode, verifyMember } from "../../protocol/membership.js";
import type {
  Change,
  Kind,
  Member,
  PublicationInfo,
  RoomChanges,
  RoomInfo,
  Snapshot,
} from "../../protocol/messages.js";
import { PacketType } from "../../protocol/packet.js";
import { isSameParty, KIND_CODES, type Party, SOURCE_CODES } from "../../protocol/sender-key.js";
import type { Participant, RosterEvent } from "../events.js";
import { Distrust } from "./distrust.js";
import type { BoxKeys } from "./lives.js";

/** Members of a room that a client holds; the server's own limits are lower. */
export const MAX_MEMBERS = 1024;
/** Publications of a room that a client holds, several for each member. */
export const MAX_PUBLICATIONS = 4096;
const PACKET_TYPES: Readonly<Record<Kind, number | undefined>> = {
  audio: PacketType.AUDIO,
  video: PacketType.VIDEO,
  data: PacketType.DATA,
  unknown: undefined,
};
/** Of a stream of beacons, which are signed and not sealed. */
const NO_PUBLICATION: PublicationId = { number: 0, kind: 0, source: 0 };

/** Our seat as we signed it: no state of the room is believed in which it stands otherwise. */
export type OwnSeat = Pick<
  Member,
  "participant" | "account" | "name" | "deviceKey" | "boxKey" | "signedAt" | "signature"
>;

/** What a stream id stands for in the room. */
export interface Stream {
  readonly participant: number;
  readonly publication: PublicationId;
  readonly packetType: number;
}

/** Return the key of a publication in tables: its publisher and its number. */
export function trackKey(participant: number, number: number): string {
  return `${participant} ${number}`;
}

/** Return what the publication's key is derived from; kinds and sources of later versions count as 0. */
export function publicationId(info: Pick<PublicationInfo, "number" | "kind" | "source">): PublicationId {
  return { number: info.number, kind: KIND_CODES[info.kind], source: SOURCE_CODES[info.source] };
}

type Members = ReadonlyMap<number, Member>;
/** By `trackKey`. */
type Tracks = ReadonlyMap<string, PublicationInfo>;

/** What the pages of one snapshot have told so far. */
class Pages {
  readonly members = new Map<number, Member>();
  readonly publications = new Map<string, PublicationInfo>();

  constructor(readonly number: bigint | undefined = undefined) {}
}

/** What changes make of the room. */
interface Draft {
  room: RoomInfo;
  readonly members: Map<number, Member>;
  readonly publications: Map<string, PublicationInfo>;
  readonly codes: Map<number, ErrorCode>;
}

/**
 * Members, publications and streams of the room.
 *
 * Give every `Snapshot` and `RoomChanges` to it; while `needsSnapshot`, changes are ignored and a snapshot must be asked
 * for. Both throw `Distrust` for a state that no honest server tells of: another room, or one in which we are not exactly
 * who we are.
 */
export class RoomState {
  /** By participant. */
  members: ReadonlyMap<number, Participant> = new Map();
  publications: Tracks = new Map();
  /** By stream id; beacons and our own included. */
  streams: ReadonlyMap<number, Stream> = new Map();
  /** Number of the newest change that is in. */
  number = 0n;
  needsSnapshot = true;
  room: RoomInfo;
  /** Our own participant id. */
  readonly own: number;
  #pages = new Pages();
  #memberSet: Uint8Array | undefined;
  readonly #ownSeat: OwnSeat;
  readonly #boxKeys: BoxKeys;
  readonly #announced: (info: PublicationInfo) => boolean;

  /**
   * `own` is our seat as we signed it, `fingerprint` the server's, which member signatures cover, `boxKeys` what was seen of
   * this life before. `announced` tells of a publication number whether we have given it out, and for what.
   */
  constructor(
    room: RoomInfo,
    readonly fingerprint: Uint8Array,
    own: OwnSeat,
    boxKeys: BoxKeys,
    announced: (info: PublicationInfo) => boolean,
  ) {
    this.room = room;
    this.own = own.participant;
    this.#ownSeat = own;
    this.#boxKeys = boxKeys;
    this.#announced = announced;
  }

  /**
   * Take a page; return what changed once the last page is in, undefined before.
   *
   * Throws `ProtocolError` for a room that is larger than the bounds, `Distrust` as the class says.
   */
  receiveSnapshot(page: Snapshot): RosterEvent[] | undefined {
    this.#checkRoom(page.room);
    if (page.number < this.number) throw new Distrust("the server shows the room as it was before");
    if (this.#pages.number !== page.number) this.#pages = new Pages(page.number);
    const { members, publications } = this.#pages;
    for (const member of page.members) members.set(member.participant, member);
    for (const info of page.publications) publications.set(trackKey(info.participant, info.number), info);
    checkSize(members, publications);
    if (!page.last) return undefined;
    this.#pages = new Pages();
    this.number = page.number;
    this.needsSnapshot = false;
    return this.#replace({ room: page.room, members, publications, codes: new Map() });
  }

  /**
   * Take changes; return what changed. A gap sets `needsSnapshot`.
   *
   * Throws `ProtocolError` for a room that is larger than the bounds, `Distrust` as the class says.
   */
  receiveChanges(changes: RoomChanges): RosterEvent[] {
    if (this.needsSnapshot) return [];
    if (changes.first > this.number + 1n) {
      this.needsSnapshot = true;
      return [];
    }
    const known = this.number + 1n - changes.first;
    if (known >= BigInt(changes.changes.length)) return [];
    const draft: Draft = {
      room: this.room,
      members: new Map([...this.members].map(([id, { member }]) => [id, member])),
      publications: new Map(this.publications),
      codes: new Map(),
    };
    for (const change of changes.changes.slice(Number(known))) {
      this.number += 1n;
      this.#apply(change, draft);
    }
    checkSize(draft.members, draft.publications);
    // A few bytes that say nothing must not cost a look at all members.
    return this.#isSame(draft) ? [] : this.#replace(draft);
  }

  /** Return the keys of each verified participant but ourselves. */
  verifiedOthers(): Map<number, Party> {
    const verified = [...this.members].filter(([id, participant]) => participant.verified && id !== this.own);
    return new Map(verified.map(([id, { member }]) => [id, { deviceKey: member.deviceKey, boxKey: member.boxKey }]));
  }

  /** Return the hash of all seats, 16 bytes, for beacons. */
  memberSetHash(): Uint8Array {
    this.#memberSet ??= memberSetHash(
      this.room.life,
      this.room.name,
      [...this.members.values()].map((participant) => participant.member),
    );
    return this.#memberSet;
  }

  /** Return the 30 digits that members read to each other. */
  safetyCode(): string {
    const { life, name, e2ee } = this.room;
    const devices = [...this.members.values()].map((participant) => participant.member);
    return safetyCode({ life, room: name, e2ee, fingerprint: this.fingerprint }, devices);
  }

  #apply(change: Change, draft: Draft): void {
    if (change.what === "room_updated" && change.room !== undefined) {
      this.#checkRoom(change.room);
      draft.room = change.room;
      return;
    }
    applyChange(change, draft);
    const gone = change.what === "member_left" ? this.members.get(change.participant ?? -1) : undefined;
    // Spent even if the same seat comes back within one message.
    if (gone !== undefined) this.#boxKeys.spend(gone.member.boxKey, gone.member.participant);
  }

  #isSame({ room, members, publications }: Draft): boolean {
    return (
      isSameRecord(room, this.room) &&
      members.size === this.members.size &&
      [...members].every(([id, member]) => isSameRecord(member, this.members.get(id)?.member)) &&
      publications.size === this.publications.size &&
      [...publications].every(([key, info]) => isSameRecord(info, this.publications.get(key)))
    );
  }

  /** Put the new state in place of the old; return the differences as events. */
  #replace(draft: Draft): RosterEvent[] {
    const { members } = draft;
    this.#checkOwn(members, draft.publications);
    const [oldMembers, oldPublications] = [this.members, this.publications];
    for (const [id, { member }] of oldMembers) {
      const now = members.get(id);
      if (now === undefined || !equal(now.boxKey, member.boxKey)) this.#boxKeys.spend(member.boxKey, id);
    }
    this.members = this.#verified(members);
    this.publications = new Map([...draft.publications].filter(([, info]) => members.has(info.participant)));
    this.streams = this.#streams();
    this.#memberSet = undefined;
    const gone = new Set<number>();
    for (const [id, old] of oldMembers) {
      const now = members.get(id);
      if (now === undefined || !isSameParty(now, old.member)) gone.add(id);
    }
    return [
      ...this.#ended(oldPublications, gone),
      ...this.#membersChanged(oldMembers, gone, draft.codes),
      ...this.#tracksChanged(oldPublications, gone),
      ...this.#roomChanged(draft.room),
    ];
  }

  #ended(old: Tracks, gone: ReadonlySet<number>): RosterEvent[] {
    const ended = [...old].filter(([key, info]) => gone.has(info.participant) || !this.publications.has(key));
    return ended.map(([, track]) => ({ type: "trackUnpublished", track }));
  }

  #membersChanged(
    old: ReadonlyMap<number, Participant>,
    gone: ReadonlySet<number>,
    codes: ReadonlyMap<number, ErrorCode>,
  ): RosterEvent[] {
    const events: RosterEvent[] = [];
    for (const [id, participant] of old) {
      if (gone.has(id)) events.push({ type: "participantLeft", participant, code: codes.get(id) });
    }
    for (const [id, participant] of this.members) {
      const before = old.get(id);
      if (before === undefined || gone.has(id)) events.push({ type: "participantJoined", participant });
      else events.push(...updates(before, participant));
    }
    return events;
  }

  #tracksChanged(old: Tracks, gone: ReadonlySet<number>): RosterEvent[] {
    const events: RosterEvent[] = [];
    for (const [key, track] of this.publications) {
      const before = old.get(key);
      if (before === undefined || gone.has(before.participant)) events.push({ type: "trackPublished", track });
      else if (!isSameRecord(track, before)) events.push({ type: "trackUpdated", track });
    }
    return events;
  }

  #roomChanged(room: RoomInfo): RosterEvent[] {
    if (isSameRecord(room, this.room)) return [];
    this.room = room;
    return [{ type: "roomUpdated", room }];
  }

  /**
   * Check the signature of each member that is new or changed.
   *
   * A box key belongs to one seat and ends with it: another seat with it, or the same one after it has left, is a statement
   * that was played back, so it is not verified. Our own seat comes first, then those seen before, then the others in the
   * order in which the server tells of them: who sat down earlier stands first.
   */
  #verified(members: Members): ReadonlyMap<number, Participant> {
    const rank = (id: number): number => (id === this.own ? 0 : this.members.has(id) ? 1 : 2);
    const result = new Map<number, Participant>();
    for (const [id, member] of [...members].sort(([a], [b]) => rank(a) - rank(b))) {
      const old = this.members.get(id);
      const good = old !== undefined && isSameStatement(old.member, member) ? old.verified : this.#isSigned(member);
      const belongs = this.#boxKeys.belongs(member.boxKey, id);
      result.set(id, { member, verified: good && belongs });
    }
    return new Map([...members.keys()].map((id) => [id, result.get(id) as Participant]));
  }

  #isSigned(member: Member): boolean {
    const { account, name, boxKey, signedAt } = member;
    const { life, name: room } = this.room;
    const statement: MemberStatement = { fingerprint: this.fingerprint, life, room, account, name, boxKey, signedAt };
    return verifyMember(statement, member.signature, member.deviceKey);
  }

  #checkRoom(room: RoomInfo): void {
    if (room.name !== this.room.name || !equal(room.life, this.room.life) || room.e2ee !== this.room.e2ee) {
      throw new Distrust("the server calls the room by another name, life or mode than when we entered");
    }
  }

  /** Throw `Distrust` unless we are in the room once, as we signed it, with what we publish. */
  #checkOwn(members: Members, publications: Tracks): void {
    const own = members.get(this.own);
    if (own === undefined) throw new Distrust("the server shows the room without us");
    if (!isSameStatement(own, this.#ownSeat)) {
      throw new Distrust("the server shows our seat in the room otherwise than we signed it");
    }
    for (const [id, member] of members) {
      if (id !== this.own && isSameParty(member, own))
        throw new Distrust("the server shows our seat in the room twice");
    }
    for (const info of publications.values()) {
      if (info.participant === this.own && !this.#announced(info)) {
        throw new Distrust("the server shows a publication of ours that we did not announce");
      }
    }
  }

  #streams(): ReadonlyMap<number, Stream> {
    const streams = new Map<number, Stream>();
    for (const [participant, { member }] of this.members) {
      const packetType = PacketType.BEACON;
      streams.set(member.beaconStream, { participant, publication: NO_PUBLICATION, packetType });
    }
    for (const info of this.publications.values()) {
      const packetType = PACKET_TYPES[info.kind];
      if (packetType === undefined) continue;
      streams.set(info.stream, { participant: info.participant, publication: publicationId(info), packetType });
    }
    return streams;
  }
}

/** Return what has changed of a participant. */
function updates(before: Participant, now: Participant): RosterEvent[] {
  const events: RosterEvent[] = [];
  const { hand } = before.member;
  if (now.verified !== before.verified || !isSameRecord({ ...now.member, hand }, before.member)) {
    events.push({ type: "participantUpdated", participant: now });
  }
  if (now.member.hand !== hand) events.push({ type: "handChanged", participant: now });
  return events;
}

function checkSize(members: Members, publications: Tracks): void {
  if (members.size > MAX_MEMBERS || publications.size > MAX_PUBLICATIONS) {
    throw new ProtocolError("bad_message", "the room is larger than a client holds");
  }
}

/** Carry out one change; one that lacks its field, or is of a later version, changes nothing. */
function applyChange(change: Change, { members, publications, codes }: Draft): void {
  const { what, member, publication, participant, number, code } = change;
  if (what === "member_joined" || what === "member_updated") {
    if (member !== undefined) members.set(member.participant, member);
  } else if (what === "published" || what === "publication_updated") {
    if (publication !== undefined) publications.set(trackKey(publication.participant, publication.number), publication);
  } else if (participant === undefined) {
    return;
  } else if (what === "member_left") {
    members.delete(participant);
    if (code !== undefined) codes.set(participant, code);
  } else if (what === "unpublished" && number !== undefined) {
    publications.delete(trackKey(participant, number));
  }
}

type Statement = Omit<OwnSeat, "participant">;

function isSameStatement(a: Statement, b: Statement): boolean {
  return (
    a.account === b.account &&
    a.name === b.name &&
    isSameParty(a, b) &&
    a.signedAt === b.signedAt &&
    equal(a.signature, b.signature)
  );
}

/** Tell whether all fields of two records are the same, bytes by their content. */
function isSameRecord<T extends object>(a: T, b: T | undefined): boolean {
  if (a === b || b === undefined) return a === b;
  return (Object.keys(a) as (keyof T)[]).every((key) => {
    const [one, other] = [a[key], b[key]];
    return one === other || (one instanceof Uint8Array && other instanceof Uint8Array && equal(one, other));
  });
}
