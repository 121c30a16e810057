/** What the views are made of: the state of the meeting, the state of the page, and what a person can do. */

import type {
  AskedSource,
  HeldSource,
  Meeting,
  MeetingState,
  ParticipantId,
  Problem,
  RoomChanges,
} from "../engine/meeting.js";
import type { Role } from "../protocol/messages.js";
import type { Invitation } from "./address.js";
import type { Language, Translate } from "./language.js";
import type { Pin, Size } from "./layout.js";
import type { Preferences } from "./preferences.js";
import type { Abilities, Missing } from "./support.js";
import type { Toast } from "./toasts.js";

export type DeviceKind = "microphone" | "camera" | "speaker";

export interface Device {
  /** Empty: the default of the browser. */
  readonly id: string;
  readonly label: string;
}

/** What is seen: who could not join stays before the meeting. */
export type Screen = "lobby" | "meeting" | "ended";

export type Panel = "none" | "chat" | "people";

export type Dialog =
  | { readonly name: "settings" | "password" | "room" }
  | { readonly name: "remove"; readonly participant: ParticipantId }
  /** `step` counts how often it was asked. */
  | { readonly name: "close"; readonly step: 1 | 2 };

export interface PageState {
  readonly invitation: Invitation;
  readonly preferences: Preferences;
  readonly missing: readonly Missing[];
  readonly devices: Readonly<Record<DeviceKind, readonly Device[]>>;
  /** Why the last entry, or the last change in a dialog, was refused. */
  readonly problem: Problem | undefined;
  readonly screen: Screen;
  readonly panel: Panel;
  readonly dialog: Dialog | undefined;
  readonly pinned: Pin | undefined;
  /** The participant whose menu is open. */
  readonly menu: ParticipantId | undefined;
  /** The room between the bars, in pixels of CSS. */
  readonly stage: Size;
  /** How many texts of others came since the chat was last open. */
  readonly unread: number;
  /** Who gets the next text; undefined: everybody. */
  readonly receiver: ParticipantId | undefined;
  readonly toasts: readonly Toast[];
  readonly testingSound: boolean;
  readonly can: Abilities;
}

/** What is typed before the meeting. */
export interface Entry {
  readonly account: string;
  readonly password: string;
  readonly name: string;
  readonly room: string;
}

/** What a person can do on the page. Problems of a request are told by the page itself. */
export interface Actions {
  join(entry: Entry): void;
  leave(): void;
  /** Go back from the end of a meeting to what is before one. */
  startAgain(): void;
  readNotice(): void;

  speakLanguage(language: Language): void;
  toggleMicrophone(): void;
  toggleCamera(): void;
  toggleScreen(): void;
  chooseDevice(kind: DeviceKind, id: string): void;
  testSound(): void;
  toggleHand(): void;

  openPanel(panel: Panel): void;
  openDialog(dialog: Dialog): void;
  closeDialog(): void;
  openMenu(participant: ParticipantId | undefined): void;
  dismiss(toast: Toast): void;
  /** Do what a message offers. */
  accept(toast: Toast): void;
  /** Take in the size of the stage. */
  measure(stage: Size): void;
  toggleMode(): void;
  togglePin(pin: Pin): void;
  toggleFullScreen(): void;
  togglePictureInPicture(): void;
  prefer(change: Partial<Preferences>): void;

  send(text: string): void;
  writeTo(participant: ParticipantId | undefined): void;
  setVolume(participant: ParticipantId, volume: number): void;

  /** Ask somebody to switch a source on or off. */
  ask(participant: ParticipantId, source: AskedSource, on: boolean): void;
  /** Stop a source of somebody until `release`; without a participant, of everybody. */
  hold(source: HeldSource, participant?: ParticipantId): void;
  release(source: HeldSource, participant?: ParticipantId): void;
  /** End the sharing of a screen; its owner may share again. */
  stopScreen(participant: ParticipantId): void;
  lowerHand(participant: ParticipantId): void;
  lowerAllHands(): void;
  /** Give the turn to the first of the raised hands. */
  callNext(): void;
  setRole(participant: ParticipantId, role: Role): void;
  remove(participant: ParticipantId): void;
  setRoom(changes: RoomChanges): void;
  closeRoom(): void;
  changePassword(current: string, next: string): void;
}

export interface View {
  readonly t: Translate;
  readonly language: Language;
  readonly state: MeetingState;
  readonly page: PageState;
  readonly act: Actions;
  /** Draws pictures of others. */
  readonly pictures: Pick<Meeting, "show">;
}
