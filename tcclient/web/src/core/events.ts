/** What a session tells its owner. Events are immutable, and come in the order in which things happened. */

import type { Action, ErrorCode } from "../protocol/errors.js";
import type {
  Caps,
  ChatScope,
  Limits,
  Member,
  PublicationInfo,
  Quality,
  Role,
  RoomInfo,
  Source,
} from "../protocol/messages.js";

/**
 * State of the media path.
 *
 * - `unknown`: being proved; nothing but pings is sent.
 * - `ok`: proved in both directions.
 * - `lost`: no answer; pings go on.
 */
export type PathState = "unknown" | "ok" | "lost";

/** A member of the room as the roster shows it. */
export interface Participant {
  readonly member: Member;
  /** The device signed name, account and box key for this room. Otherwise no key goes there, no media is played. */
  readonly verified: boolean;
}

/** Return the participant as "agency / name" reads. */
export function labelOf(participant: Participant): string {
  return `${participant.member.agency} / ${participant.member.name}`;
}

/**
 * Sign these bytes with the device identity, and give the signature to `Session.signed` under the same `id`. A session
 * asks for nothing else: the login of this connection, the seat, and beacons, each made here from what was checked.
 */
export interface Sign {
  readonly type: "sign";
  readonly id: number;
  readonly bytes: Uint8Array;
}

/** The server proved this static key. Unless `trusted`, nothing more is sent before `trustServer`. */
export interface ServerKey {
  readonly type: "serverKey";
  /** 20 bytes. */
  readonly fingerprint: Uint8Array;
  /** 32 bytes. */
  readonly static: Uint8Array;
  /** It is the key that the link named, or that was pinned. */
  readonly trusted: boolean;
}

/** The server is not the one expected; `closed` follows, and nothing was sent. */
export interface WrongServerKey {
  readonly type: "wrongServerKey";
  readonly expected: Uint8Array;
  readonly found: Uint8Array;
}

/** Derive the account key with `deriveAccountKey`, and give it to `Session.accountKeyDerived`. */
export interface DeriveKey {
  readonly type: "deriveKey";
  readonly account: string;
  /** The effective one, 16 bytes. */
  readonly salt: Uint8Array;
  readonly memoryBytes: number;
  readonly passes: number;
}

/** The login succeeded; account and name as the server cleaned them. */
export interface LoggedIn {
  readonly type: "loggedIn";
  readonly account: string;
  readonly agency: string;
  readonly name: string;
  readonly limits: Limits;
}

/** The login was refused. */
export interface LoginFailed {
  readonly type: "loginFailed";
  readonly code: ErrorCode;
  readonly text: string;
  readonly action: Action;
  readonly retryAfterMs: number;
}

/** The room was refused, by the server or because its mode is not the one asked for. */
export interface JoinFailed {
  readonly type: "joinFailed";
  readonly code: ErrorCode;
  readonly text: string;
  readonly retryAfterMs: number;
}

/** In the room; `participantJoined` and `trackPublished` follow for all who were there, oneself included. */
export interface Joined {
  readonly type: "joined";
  readonly participant: number;
  readonly room: RoomInfo;
  readonly role: Role;
  /** `Permission` bits. */
  readonly permissions: number;
}

/** The seat was given up; the login stands. */
export interface Left {
  readonly type: "left";
}

/** The seat was taken away; the login stands. */
export interface Evicted {
  readonly type: "evicted";
  readonly code: ErrorCode;
  readonly text: string;
}

/** Somebody is in the room, or their role changed. */
export interface ParticipantEvent {
  readonly type: "participantJoined" | "participantUpdated";
  readonly participant: Participant;
}

/** A participant raised or lowered its hand, or somebody lowered it. */
export interface HandChanged {
  readonly type: "handChanged";
  readonly participant: Participant;
}

/** A participant asks us to mute or unmute a source. Nothing happens unless we do it. */
export interface MuteAsked {
  readonly type: "muteAsked";
  /** The one who asks. */
  readonly participant: number;
  readonly source: Source;
  readonly muted: boolean;
}

/** The connection of another participant has become better or worse, as it says itself or as the server finds. */
export interface ConnectionQuality {
  readonly type: "connectionQuality";
  readonly participant: number;
  readonly quality: Quality;
}

/** Our publication is held muted by another participant, or not any more. */
export interface HoldChanged {
  readonly type: "holdChanged";
  readonly number: number;
  readonly held: boolean;
}

/** Somebody is gone; `code` says why, if not of their own will. */
export interface ParticipantLeft {
  readonly type: "participantLeft";
  readonly participant: Participant;
  readonly code: ErrorCode | undefined;
}

/** A publication appeared, changed (such as being muted), or ended. */
export interface TrackEvent {
  readonly type: "trackPublished" | "trackUpdated" | "trackUnpublished";
  readonly track: PublicationInfo;
}

/** The room's own data changed. */
export interface RoomUpdated {
  readonly type: "roomUpdated";
  readonly room: RoomInfo;
}

/**
 * Who began and who stopped speaking, ourselves included, and the dominant speaker (0: none yet).
 *
 * It comes from packets that were heard, never from the server's word.
 */
export interface Speakers {
  readonly type: "speakers";
  readonly started: readonly number[];
  readonly stopped: readonly number[];
  readonly dominant: number;
}

/** Plain text; show it as it is. */
export interface ChatReceived {
  readonly type: "chatReceived";
  /** The sender; 0 for an operator's notice. */
  readonly participant: number;
  /** The sender as "agency / name" reads. */
  readonly name: string;
  readonly text: string;
  readonly scope: ChatScope;
  /** Unix time in ms by the sender's clock if sealed, else by the server's. */
  readonly sentAt: number;
  readonly messageId: Uint8Array;
  /** Only members could read or write it; otherwise all of it is the server's word. */
  readonly sealed: boolean;
}

/** An earlier text of this participant did not come: the server withheld it, or let a later one overtake it. */
export interface TextMissing {
  readonly type: "textMissing";
  readonly participant: number;
}

/** A text of ours was accepted. */
export interface ChatSent {
  readonly type: "chatSent";
  readonly messageId: Uint8Array;
  /** Unix time in ms by the server's clock. */
  readonly sentAt: number;
}

/** A text of ours was refused. */
export interface ChatFailed {
  readonly type: "chatFailed";
  readonly messageId: Uint8Array;
  readonly code: ErrorCode;
  readonly text: string;
}

/** Our publication has a stream: packets are accepted from now on, up to `caps`. */
export interface Published {
  readonly type: "published";
  readonly number: number;
  readonly stream: number;
  readonly caps: Caps;
}

/** A frame of our publication would be sent now, were it not muted: it has a stream, and all have the key. */
export interface PublicationReady {
  readonly type: "publicationReady";
  readonly number: number;
}

/** Our publication was refused, or the server has ended it; its number is spent. */
export interface PublishFailed {
  readonly type: "publishFailed";
  readonly number: number;
  readonly code: ErrorCode;
  readonly text: string;
}

/** Somebody needs a keyframe of our publication's layer. */
export interface KeyframeRequested {
  readonly type: "keyframeRequested";
  readonly number: number;
  readonly spatial: number;
}

/** Somebody wants other layers of our publication than before. */
export interface LayersWanted {
  readonly type: "layersWanted";
  readonly number: number;
  /** The highest temporal layer that anybody wants of each spatial layer; -1: nobody wants any. */
  readonly layers: readonly number[];
}

/** A request was carried out. */
export interface RequestDone {
  readonly type: "requestDone";
  readonly request: number;
}

/** A request was refused. */
export interface RequestFailed {
  readonly type: "requestFailed";
  readonly request: number;
  readonly code: ErrorCode;
  readonly text: string;
  readonly retryAfterMs: number;
}

/** The state of the media path changed. */
export interface PathChanged {
  readonly type: "pathChanged";
  readonly state: PathState;
}

/**
 * What beacons tell of one participant.
 *
 * - `membershipMismatch`: for ten seconds or more it has seen another set of members than we do: the server may be lying.
 * - `membershipAgreed`: it sees the same members as we do again.
 * - `memberSilent`: no beacon of it has come for three intervals (30 s in a room of up to 500). It gets no new keys.
 * - `memberHeard`: a beacon of a silent participant has come; it gets keys again.
 * - `commitmentMismatch`: it told all members of another key than it gave us; once for each key.
 */
export interface BeaconFinding {
  readonly type: "membershipMismatch" | "membershipAgreed" | "memberSilent" | "memberHeard" | "commitmentMismatch";
  readonly participant: number;
}

/**
 * The connection was lost, and the seat goes on: the last event of a connection. `Session.reconnect` and `Session.resume`
 * take the seat up again.
 */
export interface Detached {
  readonly type: "detached";
  /** Undefined where the connection was lost without a word. */
  readonly code: ErrorCode | undefined;
  readonly text: string;
  readonly retryAfterMs: number;
}

/** The seat goes on with this connection. What was missed follows. */
export interface Resumed {
  readonly type: "resumed";
}

/** The seat is gone. This connection is ready for `Session.beginLogin`. */
export interface ResumeFailed {
  readonly type: "resumeFailed";
  readonly code: ErrorCode;
  readonly text: string;
}

/** The session is over: the last event of a connection. */
export interface Closed {
  readonly type: "closed";
  /** Undefined where the connection was lost without a word. */
  readonly code: ErrorCode | undefined;
  readonly text: string;
  readonly action: Action;
  readonly retryAfterMs: number;
  /** The server said something that no honest server says, such as a room without us. `text` names it. */
  readonly dishonest: boolean;
}

/** What the roster tells. */
export type RosterEvent = ParticipantEvent | HandChanged | ParticipantLeft | TrackEvent | RoomUpdated;

export type Event =
  | Sign
  | ServerKey
  | WrongServerKey
  | DeriveKey
  | LoggedIn
  | LoginFailed
  | JoinFailed
  | Joined
  | Left
  | Evicted
  | RosterEvent
  | MuteAsked
  | ConnectionQuality
  | HoldChanged
  | Speakers
  | ChatReceived
  | TextMissing
  | ChatSent
  | ChatFailed
  | Published
  | PublicationReady
  | PublishFailed
  | KeyframeRequested
  | LayersWanted
  | RequestDone
  | RequestFailed
  | PathChanged
  | BeaconFinding
  | Detached
  | Resumed
  | ResumeFailed
  | Closed;

export type Emit = (event: Event) => void;
