/** What the page's thread and the worker say to each other. */

import type { Role } from "../protocol/messages.js";
import type {
  ChatLine,
  Happening,
  Advice,
  Degraded,
  HeldSource,
  Participant,
  ParticipantId,
  LimitedPicture,
  MicrophoneNotice,
  Phase,
  Problem,
  RoomState,
  Statistics,
  WantedPicture,
} from "./facts.js";

/** A source of pictures. */
export type PictureSource = "camera" | "screen";
/** Pixels of a picture. */
export interface PictureSize {
  readonly width: number;
  readonly height: number;
}
/** A source of sound. */
export type SoundSource = "microphone" | "screen_audio";
/** What a person switches on and off. The sound of a screen comes and goes with it. */
export type OwnMedia = "microphone" | PictureSource;

/** What the person asks of the server, and is answered. */
export type Request =
  | { readonly type: "chat"; readonly text: string; readonly to: ParticipantId | undefined }
  | { readonly type: "callUp"; readonly participant: ParticipantId }
  | { readonly type: "raiseHand" }
  | { readonly type: "lowerHand"; readonly participant: ParticipantId | undefined }
  | { readonly type: "lowerAllHands" }
  | {
      readonly type: "muteOther";
      /** Undefined: everybody of a lower rank. */
      readonly participant: ParticipantId | undefined;
      readonly source: HeldSource;
      readonly muted: boolean;
      /** The server sees to it, or lets it be again; else it is a request. */
      readonly hard: boolean;
    }
  | { readonly type: "setRole"; readonly participant: ParticipantId; readonly role: Role }
  | { readonly type: "remove"; readonly participant: ParticipantId }
  | { readonly type: "updateRoom"; readonly title: string | undefined; readonly limit: number | undefined }
  | { readonly type: "lockRoom"; readonly locked: boolean }
  | { readonly type: "setAudioOnly"; readonly audioOnly: boolean }
  | { readonly type: "closeRoom" }
  | { readonly type: "changePassword"; readonly current: string; readonly next: string };

export interface Entry {
  /** Address of the stream path. */
  readonly socket: string;
  readonly account: string;
  readonly password: string;
  readonly name: string;
  readonly room: string;
  readonly fingerprint: string | undefined;
  readonly e2ee: boolean;
  readonly dataSaver: boolean;
}

export type Command =
  | { readonly type: "prepare" }
  | { readonly type: "join"; readonly entry: Entry }
  | { readonly type: "leave" }
  /** The port of a capture processor, whose sound is published. */
  | { readonly type: "sound"; readonly media: SoundSource; readonly port: MessagePort }
  /** The port of the play-out processor. */
  | { readonly type: "playout"; readonly port: MessagePort }
  /** Publish, mute or unmute; before the entry, it is done after it. */
  | {
      readonly type: "publish";
      readonly media: OwnMedia | SoundSource;
      readonly on: boolean;
      /** Of the pictures, as far as the browser tells. */
      readonly size?: PictureSize;
    }
  /** Pictures of ours come on this stream until it ends. */
  | { readonly type: "pictures"; readonly media: PictureSource; readonly frames: ReadableStream<VideoFrame> }
  /** A picture of ours, from browsers that have no stream of them. */
  | { readonly type: "picture"; readonly media: PictureSource; readonly frame: VideoFrame }
  | { readonly type: "wantPictures"; readonly pictures: readonly WantedPicture[] }
  | { readonly type: "dataSaver"; readonly on: boolean }
  | { readonly type: "receivedHeight"; readonly lines: number }
  | { readonly type: "volume"; readonly participant: ParticipantId; readonly volume: number }
  /** A picture that was reported has been drawn or closed. */
  | { readonly type: "drawn"; readonly participant: ParticipantId; readonly source: PictureSource }
  /** The page's thread noticed that the machine slept, or that the network is another. */
  | { readonly type: "awake" }
  | { readonly type: "request"; readonly number: number; readonly request: Request };

/** State of one publication of ours, as far as the server is concerned. */
export type Publishing = "off" | "starting" | "on" | "muted" | "paused" | "refused";

export type Report =
  | { readonly type: "phase"; readonly phase: Phase }
  | { readonly type: "room"; readonly room: RoomState | undefined }
  | {
      readonly type: "people";
      readonly me: Participant | undefined;
      readonly others: readonly Participant[];
      readonly recentSpeakers: readonly ParticipantId[];
    }
  /** A line that is new, or one whose state has changed. */
  | { readonly type: "chat"; readonly line: ChatLine }
  | { readonly type: "publishing"; readonly media: OwnMedia; readonly state: Publishing }
  | { readonly type: "microphoneNotice"; readonly notice: MicrophoneNotice | undefined }
  | {
      readonly type: "statistics";
      readonly statistics: Statistics;
      readonly degraded: Degraded;
      /** What could be done about our connection. */
      readonly advice: Advice | undefined;
    }
  /** All wanted pictures that do not come. */
  | { readonly type: "limited"; readonly pictures: readonly LimitedPicture[] }
  | { readonly type: "happening"; readonly happening: Happening }
  /** A picture of somebody, to be closed by the page. */
  | {
      readonly type: "picture";
      readonly participant: ParticipantId;
      readonly source: PictureSource;
      readonly frame: VideoFrame;
      /** Unix ms. */ readonly showAt: number;
    }
  | { readonly type: "pictureEnded"; readonly participant: ParticipantId; readonly source: PictureSource }
  | { readonly type: "answer"; readonly number: number; readonly problem: Problem | undefined };
