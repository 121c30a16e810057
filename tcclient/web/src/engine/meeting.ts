/**
 * What the page can see and do in a meeting. The page knows this file and nothing below it: neither the worker, nor the
 * protocol, nor the codecs. `Meeting` is implemented in `client.ts`.
 *
 * The state is one immutable value. Each change makes a new value, and unchanged parts keep their identity, so a
 * component may compare with `===`.
 */

import type { Role } from "../protocol/messages.js";
import type {
  AskedSource,
  ChatLine,
  Advice,
  Degraded,
  DeviceFault,
  Happening,
  HeldSource,
  JoinOptions,
  LimitedPicture,
  MicrophoneNotice,
  Participant,
  ParticipantId,
  Phase,
  RoomChanges,
  RoomState,
  Statistics,
  WantedPicture,
} from "./facts.js";

export type * from "./facts.js";

/** What `createMeeting()` of `client.ts` is given. */
export interface EngineOptions {
  /** Address of the stream path, `wss://HOST/tc`. */
  readonly socket: string;
  /** Whether the browser cancels echo, removes noise and levels the microphone; recordings are compared without. */
  readonly soundProcessing: boolean;
}

/** Our own microphone, camera or screen. Before we are inside, "on" means that it is open and not yet heard or seen. */
export interface OwnSource {
  readonly state: "off" | "starting" | "on" | "muted" | "paused" | "failed";
  /** Why it failed, as the page has a sentence for it. */
  readonly fault: DeviceFault | undefined;
  /** What is captured, for a preview and a level meter; undefined while it is closed. */
  readonly stream: MediaStream | undefined;
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
  readonly microphoneNotice: MicrophoneNotice | undefined;
  /** The browser has stopped all sound; a click or a key starts it again. */
  readonly soundPaused: boolean;
  readonly degraded: Degraded;
  /** What could be done about our own connection, while it is poor. */
  readonly advice: Advice | undefined;
  /** Pictures of which less comes than is wanted. */
  readonly limited: readonly LimitedPicture[];
  readonly statistics: Statistics | undefined;
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
  /** Show a picture until the returned function is called: on a canvas, or in a `<video>` where the browser can. */
  show(
    participant: ParticipantId,
    source: "camera" | "screen",
    screen: HTMLCanvasElement | HTMLVideoElement,
  ): () => void;
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
  /** Ask a participant to switch a source on or off. */
  ask(participant: ParticipantId, source: AskedSource, on: boolean): Promise<void>;
  /** Have the server stop a source of a participant; without one, of everybody of a lower rank. */
  hold(source: HeldSource, participant?: ParticipantId): Promise<void>;
  /** End a hold. The source stays off until its owner switches it on. */
  release(source: HeldSource, participant?: ParticipantId): Promise<void>;
  lowerAllHands(): Promise<void>;
  setRole(participant: ParticipantId, role: Role): Promise<void>;
  remove(participant: ParticipantId): Promise<void>;
  setRoom(changes: RoomChanges): Promise<void>;
  /** Give the turn to somebody whose hand is raised: let this one unmute and ask to, and lower the hand. */
  callUp(participant: ParticipantId): Promise<void>;
  closeRoom(): Promise<void>;

  /** Change the password of our account; rejects with a `Problem`. */
  changePassword(current: string, next: string): Promise<void>;
}
