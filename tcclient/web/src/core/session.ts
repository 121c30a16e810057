/**
 * A client's session with a server, without input or output: connect, trust, log in, sit in a room.
 *
 * The owner passes in what arrives (`receiveControl`, `receiveDatagram`). It takes out what has to be sent
 * (`controlToSend`, `datagramsToSend`) and what has happened (`nextEvent`, `mediaReceived`), and calls `handleTimeout` at
 * `nextDeadline`. `now` is monotonic, in seconds. A verb in the wrong phase throws `Refusal`. What the server refuses comes
 * as an event. `closed` is the last event of a connection: nothing is received after it until `reconnect` begins again on
 * another connection.
 *
 * The device key stays with the owner, who signs what `sign` events ask for, each in its time, and calls `signed`.
 */

import type { ChatScope, Kind, Role, Source, StreamChoice } from "../protocol/messages.js";
import type { SigningKey } from "../protocol/identity.js";
import type { DurationMs } from "../protocol/packet.js";
import type { Drop } from "./drops.js";
import type { Event } from "./events.js";
import type { MediaPacket } from "./media/packet.js";
import type { NetworkStatistics } from "./media/statistics.js";
import type { Lives } from "./membership/lives.js";
import type { RoomState } from "./membership/roster.js";

/** How far a session has come. */
export type Phase =
  | "connecting"
  /** The server has proved a key that nobody has accepted yet. Nothing is sent. */
  | "untrusted"
  /** Ready for `beginLogin`. */
  | "trusted"
  | "loggingIn"
  /** Ready for `join`. */
  | "lobby"
  | "joining"
  | "room"
  | "closed";

export interface Settings {
  /** Fingerprint of the server, 20 bytes, from the link or pinned. Undefined: the owner decides on `serverKey`. */
  readonly fingerprint: Uint8Array | undefined;
  /** Sources of everybody that are subscribed to after a join. */
  readonly sources: readonly Source[];
}

/** What a session is made with: `new Session(settings, environment, now)`. */
export interface Environment {
  /** The public half of the device identity, 32 bytes. */
  readonly device: Uint8Array;
  /** Return so many random bytes, as `crypto.getRandomValues` makes them. */
  readonly randomBytes: (size: number) => Uint8Array;
  /** The lives that this page has been in, shared by all its sessions; it outlives each. */
  readonly lives: Lives;
}

export interface JoinSettings {
  /** As it was typed. */
  readonly room: string;
  /** The wall clock in Unix ms, which the member signature covers. */
  readonly unixMs: number;
  /** The mode of the room, as the link tells it; true by default. */
  readonly e2ee?: boolean;
}

export interface AudioFrame {
  readonly payload: Uint8Array;
  /** Samples at 48 kHz; taken modulo 2^32. */
  readonly timestamp: number;
  readonly durationMs?: DurationMs;
  /** -dBov, 0 to 127. */
  readonly level?: number;
  readonly voice?: boolean;
  readonly endOfTalk?: boolean;
  readonly comfort?: boolean;
  /** The moment of the first sample, for lip-sync; `now` by default. */
  readonly capturedAt?: number;
}

export interface VideoFrame {
  readonly data: Uint8Array;
  /** 90 kHz; taken modulo 2^32. */
  readonly timestamp: number;
  readonly keyframe: boolean;
  readonly discardable?: boolean;
  readonly spatial?: number;
  readonly temporal?: number;
  /** Distance to the frame that this one refers to; not used for a keyframe. 1 by default. */
  readonly reference?: number;
  readonly capturedAt?: number;
}

export interface Session {
  readonly phase: Phase;
  /** Datagrams, packets and texts that were dropped, by reason. */
  readonly drops: ReadonlyMap<Drop, number>;
  /** The fingerprint of the key that the server proved, 20 bytes; empty before the handshake. */
  readonly serverFingerprint: Uint8Array;
  /** The seat in the room, with what can be done there; throws `Refusal` outside of one. */
  readonly seat: Seat;
  readonly seated: boolean;

  /** Take bytes of the control connection. */
  receiveControl(data: Uint8Array, now: number): void;
  /** The control connection was lost. */
  receiveEof(): void;
  /** Take a datagram; then ask `mediaReceived` and `datagramsToSend`. */
  receiveDatagram(data: Uint8Array, now: number): void;
  /** Take the signature, 64 bytes, that a `sign` event asked for. One that came too late is ignored. */
  signed(id: number, signature: Uint8Array, now: number): void;
  /** Return the bytes for the control connection, once. After `closed` there may be a last message. */
  controlToSend(): Uint8Array;
  /** Return the datagrams that wait, once, with a ping if one is due. */
  datagramsToSend(now: number): Uint8Array[];
  nextEvent(): Event | undefined;
  /** Return the packets of others that came, in order, once. Ask after each `receive…`. */
  mediaReceived(): MediaPacket[];
  /** Return when `handleTimeout` is due; Infinity when never. */
  nextDeadline(): number;
  handleTimeout(now: number): void;
  /** End the session; the bytes of the farewell are in `controlToSend`. */
  close(): void;
  /** Begin again on another connection, with the login; throws `Refusal` before `closed`. */
  reconnect(now: number): void;

  /** Accept the key of `serverKey`. */
  trustServer(now: number): void;
  /** Log in; `deriveKey` or `loginFailed` follows. Throws `RangeError` for a name that is not allowed. */
  beginLogin(account: string, name: string): void;
  /** Answer `deriveKey`; `loggedIn` or `loginFailed` follows, after a `sign`. */
  accountKeyDerived(key: SigningKey): void;
  /** Enter a room; `joined` or `joinFailed` follows, after a `sign`. Throws `RangeError` for a name of no room. */
  join(settings: JoinSettings): void;
  /** Give the seat up; `left` follows at once. */
  leave(): void;
  /** Return how both directions of the path do; throws `Refusal` outside of a room. */
  networkStatistics(): NetworkStatistics;
}

/** What a session has while it is in a room. Requests return their id, which `requestDone` or `requestFailed` repeats. */
export interface Seat {
  /** The roster: members, publications, safety code. */
  readonly room: RoomState;

  /** Set what is wanted, whole each time: sources of everybody, and single streams. */
  subscribe(sources: readonly Source[], choices?: readonly StreamChoice[]): number;
  /** Ask for a keyframe of a stream's layer; false where one was asked for within the last half second. */
  requestKeyframe(stream: number, spatial: number, now: number): boolean;

  /** Announce a publication; return its number. `published` or `publishFailed` follows, later `publicationReady`. */
  publish(publication: NewPublication, now: number): number;
  /** End a publication at once; return the request id, 0 where it has ended already. */
  unpublish(number: number): number;
  /** Mute or unmute, here at once. Throws `Refusal` where it is not live. */
  setMuted(number: number, muted: boolean): number;
  /** Send a frame of sound; false where it was not sent: not published yet, ended, muted, or no key. */
  sendAudio(number: number, frame: AudioFrame, now: number): boolean;
  /** Cut a picture into packets and send them; return how many, 0 where it was not sent. */
  sendVideo(number: number, frame: VideoFrame, now: number): number;

  /** Send a text, sealed in an end-to-end encrypted room; return its message id, which `chatSent` repeats. */
  sendChat(text: string, unixMs: number, now: number, scope?: ChatScope, participant?: number): Uint8Array;

  kick(participant: number, reason?: string): number;
  setRole(participant: number, role: Role): number;
  updateRoom(changes: { readonly title?: string; readonly maxParticipants?: number }): number;
  closeRoom(): number;
}

export interface NewPublication {
  readonly kind: Kind;
  readonly source: Source;
  /** Such as `opus` or `vp8`. */
  readonly codec: string;
  readonly muted?: boolean;
  /** Spatial layers, 1 to 4. */
  readonly layers?: number;
  readonly width?: number;
  readonly height?: number;
}
