/** What the page is told of a meeting, in values that its thread and the worker share. `meeting.ts` has the rest. */

import type { Advice } from "../core/media/quality.js";
import type { ErrorCode, Role, Source } from "../protocol/messages.js";

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
  /** The mode of the room, as the link tells it: without end-to-end encryption only with the consent of the person. */
  readonly e2ee: boolean;
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
  | "unreachable"
  | "connection_lost"
  | "wrong_server"
  | "dishonest_server"
  | "left"
  | "no_webcodecs"
  | "browser_refused"
  | "internal";

/** Trust in a participant, as PROTOCOL.md section 5 has it. */
export type Trust = "verified" | "unverified" | "new_device" | "silent";

export interface Participant {
  readonly id: ParticipantId;
  readonly account: string;
  readonly agency: string;
  readonly name: string;
  readonly role: Role;
  /** All that the room lets this one do, in bits: a role may have other rights here than elsewhere. */
  readonly permissions: number;
  readonly maySpeak: boolean;
  readonly mayShow: boolean;
  readonly mayShare: boolean;
  readonly mayWrite: boolean;
  readonly mayLead: boolean;
  readonly trust: Trust;
  /** Unix ms of the raised hand by the clock of the server; 0: it is down. Hands are shown in this order. */
  readonly hand: number;
  readonly speaking: boolean;
  /** Whether there is a microphone at all, and whether it is muted: by its owner, or held so by a chair. */
  readonly microphone: "none" | "muted" | "held" | "live";
  readonly camera: boolean;
  /** Why no picture of a camera comes that there is: its owner or a chair has stopped it, or no browser decodes it. */
  readonly cameraStopped: "muted" | "held" | "unknown_codec" | undefined;
  readonly screen: boolean;
  /** Steps of the connection bars: 0 nothing comes, 3 good. */
  readonly quality: 0 | 1 | 2 | 3;
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

/** What a chair may change of a room. */
export interface RoomChanges {
  readonly title?: string;
  readonly limit?: number;
  readonly locked?: boolean;
  readonly audioOnly?: boolean;
}

export interface RoomState {
  readonly name: string;
  readonly title: string;
  readonly limit: number;
  readonly locked: boolean;
  /** Whether nobody can send pictures, by order of a chair. */
  readonly audioOnly: boolean;
  readonly permanent: boolean;
  /** Whether the room is end-to-end encrypted. */
  readonly e2ee: boolean;
  /** The safety code, in its groups of digits; equal to that of the native client. */
  readonly safetyCode: string;
}

export interface Statistics {
  readonly roundTripMs: number;
  readonly lossUp: number;
  readonly lossDown: number;
  readonly sentBitsPerSecond: number;
  readonly receivedBitsPerSecond: number;
  /** Bytes since the page was opened. */
  readonly sentBytes: number;
  readonly receivedBytes: number;
}

/** What a person should know of the own microphone: speech goes into it while it is muted, or no sound comes from it. */
export type MicrophoneNotice = "speaking_muted" | "silent";

/** Why our microphone, camera or screen is not on. */
export type DeviceFault = "denied" | "busy" | "missing" | "unplugged" | "refused_by_room" | "unsupported";

export type { Advice };

/** What degraded first to last: pictures of others paused, then a lower rate of ours. */
export type Degraded = "no" | "pictures_reduced" | "pictures_paused";

/** What a chair asks about. */
export type AskedSource = "microphone" | "camera";

/** What a chair stops of one person: the server drops it. */
export type HeldSource = AskedSource | "screen";

/** What happens once and is told once, as a message that goes away. */
export type Happening =
  | { readonly type: "entered" | "left" | "new_device"; readonly participant: Participant }
  /** A chair asks us to switch a source of ours off or on; nothing happens unless we do it. */
  | { readonly type: "asked"; readonly by: Participant; readonly source: AskedSource; readonly on: boolean }
  /** Who leads the room holds a source of ours muted, or lets us unmute it again. */
  | { readonly type: "held_muted" | "hold_ended"; readonly source: HeldSource }
  | { readonly type: "device_changed"; readonly source: Source | "speaker"; readonly label: string }
  | { readonly type: "notice"; readonly text: string };

/**
 * Why less of a picture comes than the page wants. None comes: our connection is too slow for it or lost, or its sender
 * sends none. It is smaller than its tile: our connection is too slow for the larger one, or its sender sends no larger.
 */
export type LimitCause = "slow_connection" | "no_picture" | "smaller_received" | "smaller_sent";

/** A picture that the page wants, and of which less comes now. */
export interface LimitedPicture {
  readonly participant: ParticipantId;
  readonly source: "camera" | "screen";
  readonly cause: LimitCause;
}

/** A picture that the page wants to show. */
export interface WantedPicture {
  readonly participant: ParticipantId;
  readonly source: "camera" | "screen";
  /** Device pixels of its height on the page; the layer is chosen by it. */
  readonly height: number;
}
