/**
 * What the page can see and do in a meeting. The page knows this file and nothing below it: neither the worker, nor the
 * protocol, nor the codecs. `Meeting` is implemented in `client.ts`.
 *
 * The state is one immutable value. Each change makes a new value, and unchanged parts keep their identity, so a
 * component may compare with `===`.
 */

import type { ErrorCode, Role, Source } from "../protocol/messages.js";

/** What `createMeeting()` of `client.ts` is given. The build names the files; the page knows the names. */
export interface EngineOptions {
  /** Address of the bundle of `src/engine/worker.ts`, a module worker. */
  readonly worker: string;
  /** Address of the bundle of `src/media/worklet.ts`, with the processors of capture and play-out. */
  readonly worklet: string;
  /** Address of the stream path, `wss://HOST/tc`. */
  readonly socket: string;
  /** Whether the browser cancels echo, removes noise and levels the microphone; recordings are compared without. */
  readonly soundProcessing: boolean;
}

/** A value that identifies a participant in one life of the room. */
export type ParticipantId = number;

export interface JoinOptions {
  readonly account: string;
  readonly password: string;
  /** The display name. */
  readonly name: string;
  readonly room: string;
  /** From the web link (`#fp=`), as text; it is checked before the password is used. */
  readonly fingerprint?: string;
  /** Whether only sound is received. */
  readonly dataSaver: boolean;
}

export type Phase =
  | { readonly name: "outside" }
  | { readonly name: "joining" }
  | { readonly name: "inside" }
  /** The connection was lost; the engine tries to come back by itself. `attempt` counts from 1. */
  | { readonly name: "returning"; readonly attempt: number; readonly reason: Problem }
  /** The meeting is over for us. */
  | { readonly name: "ended"; readonly reason: Problem };

/** Why something was refused or has ended. The page has one sentence for each code, in each language. */
export interface Problem {
  readonly code: ErrorCode | LocalProblem;
  /** Seconds until another attempt makes sense; 0 where that is not known. */
  readonly retryAfter: number;
  /** For logs; never shown. */
  readonly detail: string;
}

/** Problems that are found here, not told by the server. */
export type LocalProblem =
  "unreachable" | "connection_lost" | "wrong_server" | "dishonest_server" | "left" | "no_webcodecs" | "internal";

/** Trust in a participant, as PROTOCOL.md section 5 has it. */
export type Trust = "verified" | "unverified" | "new_device" | "silent";

/** Steps of the connection bars: 0 nothing comes, 3 good. */
export type Quality = 0 | 1 | 2 | 3;

export interface Participant {
  readonly id: ParticipantId;
  readonly account: string;
  readonly agency: string;
  readonly name: string;
  readonly role: Role;
  readonly trust: Trust;
  /** Unix ms of the raised hand by the clock of the server; 0: it is down. Hands are shown in this order. */
  readonly hand: number;
  readonly speaking: boolean;
  /** Whether there is a microphone at all, and whether it is muted. */
  readonly microphone: "none" | "muted" | "live";
  readonly camera: boolean;
  readonly screen: boolean;
  readonly quality: Quality;
  /** Own choice, 0 to 2; 1 leaves the sound as it comes. */
  readonly volume: number;
}

export interface ChatLine {
  readonly id: string;
  /** Undefined: a notice of the server. */
  readonly from: ParticipantId | undefined;
  /** "agency / name", which stays when its writer leaves. */
  readonly label: string;
  /** The receiver of a private line. */
  readonly to: ParticipantId | undefined;
  readonly own: boolean;
  readonly text: string;
  /** Unix ms. */
  readonly at: number;
  readonly state: "sending" | "sent" | "failed";
}

/** Our own microphone, camera or screen. Before we are inside, "on" means that it is open and not yet heard or seen. */
export interface OwnSource {
  readonly state: "off" | "starting" | "on" | "muted" | "paused" | "failed";
  /** Why it failed, as the page has a sentence for it. */
  readonly fault: DeviceFault | undefined;
  /** What is captured, for a preview and a level meter; undefined while it is closed. */
  readonly stream: MediaStream | undefined;
}

export type DeviceFault = "denied" | "busy" | "missing" | "unplugged" | "refused_by_room" | "unsupported";

export interface RoomState {
  readonly name: string;
  readonly title: string;
  readonly limit: number;
  readonly locked: boolean;
  readonly permanent: boolean;
  /** The safety code, in its groups of digits; equal to that of the native client. */
  readonly safetyCode: string;
}

export interface Statistics {
  readonly roundTripMs: number;
  readonly lossUp: number;
  readonly lossDown: number;
  readonly sentBitsPerSecond: number;
  readonly receivedBitsPerSecond: number;
}

export interface MeetingState {
  readonly phase: Phase;
  readonly room: RoomState | undefined;
  readonly me: Participant | undefined;
  /** Without ourselves, in the order of their entry. */
  readonly participants: readonly Participant[];
  /** The loudest, the latest first; from opened packets, so that a server cannot make it up. */
  readonly recentSpeakers: readonly ParticipantId[];
  readonly chat: readonly ChatLine[];
  readonly microphone: OwnSource;
  readonly camera: OwnSource;
  readonly screen: OwnSource;
  /** Speech is heard while the microphone is muted. */
  readonly speakingWhileMuted: boolean;
  /** What degraded first to last: pictures of others paused, then a lower rate of ours. */
  readonly degraded: "no" | "pictures_reduced" | "pictures_paused";
  readonly statistics: Statistics | undefined;
}

/** What happens once and is told once, as a message that goes away. */
export type Happening =
  | { readonly type: "entered" | "left" | "new_device"; readonly participant: Participant }
  | { readonly type: "asked_to_mute" | "muted_by"; readonly by: Participant }
  | { readonly type: "device_changed"; readonly source: Source; readonly label: string }
  | { readonly type: "notice"; readonly text: string };

/** A picture that the page wants to show. */
export interface WantedPicture {
  readonly participant: ParticipantId;
  readonly source: "camera" | "screen";
  /** Device pixels of its height on the page; the layer is chosen by it. */
  readonly height: number;
}

export interface Meeting {
  readonly state: MeetingState;
  /** Call `listener` after each change, at most once in a frame of the screen; return what ends that. */
  watch(listener: () => void): () => void;
  onHappening(listener: (happening: Happening) => void): () => void;

  /** Start the worker and load the codecs while the person is still typing. */
  prepare(): void;
  /** Enter a room; rejects with a `Problem`. */
  join(options: JoinOptions): Promise<void>;
  leave(): void;

  /** Start the sound of others; browsers demand that a click or a key leads here. */
  resumeSound(): Promise<void>;
  /**
   * Open or close a device. Before `join` it is only opened, for the preview; what is on then is published after the
   * entry. Once inside, a microphone that is switched off stays open, and is muted. A fault of a device is told in the
   * state, and is no rejection.
   */
  setMicrophone(on: boolean): Promise<void>;
  setCamera(on: boolean): Promise<void>;
  setScreen(on: boolean): Promise<void>;
  /** An empty id is the default of the browser. */
  chooseDevice(kind: "microphone" | "camera" | "speaker", id: string): Promise<void>;

  /** Replace the pictures that are wanted; nothing else is received. */
  wantPictures(pictures: readonly WantedPicture[]): void;
  /** Draw a picture on a canvas until the returned function is called. */
  show(participant: ParticipantId, source: "camera" | "screen", canvas: HTMLCanvasElement): () => void;
  setVolume(participant: ParticipantId, volume: number): void;
  setDataSaver(on: boolean): void;
  /** Highest layer that is received: 180, 360 or 720 lines. */
  setReceivedHeight(lines: 180 | 360 | 720): void;

  /** Send a text; rejects with a `Problem`. */
  chat(text: string, to?: ParticipantId): Promise<void>;
  raiseHand(): Promise<void>;
  /** Lower a hand; without a participant, ours. */
  lowerHand(participant?: ParticipantId): Promise<void>;

  // For chairs. Each rejects with a `Problem`.
  /** `hard`: the server stops the sound; else it is a request. */
  mute(participant: ParticipantId, hard: boolean): Promise<void>;
  muteAll(hard: boolean): Promise<void>;
  lowerAllHands(): Promise<void>;
  setRole(participant: ParticipantId, role: Role): Promise<void>;
  remove(participant: ParticipantId): Promise<void>;
  setRoom(changes: { title?: string; limit?: number; locked?: boolean }): Promise<void>;
  closeRoom(): Promise<void>;

  /** Change the password of our account; rejects with a `Problem`. */
  changePassword(current: string, next: string): Promise<void>;
}
