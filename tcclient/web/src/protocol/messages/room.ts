/** Messages about rooms: entering, roster, chat, moderation. */

import { array, BOOL, optional, U8, U16, U32, U64, withDefault } from "../fields.js";
import { NO_BYTES } from "../bytes.js";
import { type MessageOf, row, SEATED } from "./registry.js";
import {
  CHAT_SCOPE,
  CHAT_TEXT,
  Change,
  DISPLAY_NAME,
  ERROR_CODE,
  EXPLANATION,
  FULL_NAME,
  KEY,
  LIFE_ID,
  MAX_CHANGES,
  MAX_JOINED_KEYS,
  MEMBERS_PER_PAGE,
  MESSAGE_ID,
  Member,
  PUBLICATIONS_PER_PAGE,
  PublicationInfo,
  ROLE,
  ROOM_NAME,
  RoomInfo,
  RoomKey,
  SEALED_TEXT,
  SIGNATURE,
} from "./types.js";

/** The room is open. The member signature covers its life id. */
export const Room = row("room", "server", { room: RoomInfo }, { reply: true });

/** Finds a room, or makes a temporary one if the server allows that. `e2ee` must be the mode of the room. */
export const OpenRoom = row(
  "open_room",
  "client",
  { name: ROOM_NAME, e2ee: withDefault(BOOL, true) },
  { states: ["lobby"], answer: "room" },
);

/** Gives a seat. The pages of the snapshot follow at once, then changes. */
export const Joined = row(
  "joined",
  "server",
  {
    participant: U32,
    mediaId: U32,
    epoch: U8,
    upKey: KEY,
    downKey: KEY,
    roomKeys: array(RoomKey, MAX_JOINED_KEYS),
    beaconStream: U16,
    role: ROLE,
    permissions: U16,
  },
  { reply: true },
);
export type Joined = MessageOf<typeof Joined>;

/** Takes a seat, with the box key of the seat and the member signature. */
export const Join = row(
  "join",
  "client",
  { name: ROOM_NAME, life: LIFE_ID, boxKey: KEY, signedAt: U64, signature: SIGNATURE },
  { states: ["lobby"], answer: "joined" },
);

/** Gives the seat up. The session stays logged in. */
export const Leave = row("leave", "client", {}, { states: SEATED, answer: "ok" });

/** One page of the state of the room after change `number`. The page with `last` is the last one. */
export const Snapshot = row(
  "snapshot",
  "server",
  {
    number: U64,
    room: RoomInfo,
    members: array(Member, MEMBERS_PER_PAGE),
    publications: array(PublicationInfo, PUBLICATIONS_PER_PAGE),
    last: BOOL,
  },
  { states: SEATED },
);
export type Snapshot = MessageOf<typeof Snapshot>;

/** Asks for the snapshot again, after a gap in the numbers. The pages follow the reply. */
export const GetSnapshot = row("get_snapshot", "client", {}, { states: SEATED, answer: "ok" });

/** Changes in order. The first one has the number `first`, each further one the next number. */
export const RoomChanges = row(
  "changes",
  "server",
  { first: U64, changes: array(Change, MAX_CHANGES) },
  { states: SEATED },
);
export type RoomChanges = MessageOf<typeof RoomChanges>;

/** The seat has ended, and the session goes on: the participant was kicked, or the room was closed. */
export const Evicted = row("evicted", "server", { code: ERROR_CODE, text: EXPLANATION }, { states: SEATED });

/** The text was passed on. `sentAt` is Unix time in ms by the server's clock. */
export const ChatAccepted = row("chat_accepted", "server", { sentAt: U64 }, { reply: true });

/** Sends a text, sealed in an end-to-end encrypted room. The same `messageId` again changes nothing. */
export const Chat = row(
  "chat",
  "client",
  {
    messageId: MESSAGE_ID,
    scope: CHAT_SCOPE,
    /** A text that the server can read: a notice, or a text of a room without end-to-end encryption. */
    text: withDefault(CHAT_TEXT, ""),
    /** The receiver, where the scope is `participant`. */
    participant: withDefault(U32, 0),
    sealed: withDefault(SEALED_TEXT, NO_BYTES),
  },
  { states: SEATED, answer: "chat_accepted" },
);
export type Chat = MessageOf<typeof Chat>;

/** A text from another participant, or a notice of the operator. */
export const ChatMessage = row(
  "chat_message",
  "server",
  {
    messageId: MESSAGE_ID,
    scope: CHAT_SCOPE,
    participant: U32,
    /** Name of the sender, as "agency / name". A text may be shown after the seat of its sender has ended. */
    name: FULL_NAME,
    /** Empty where it is sealed. */
    text: CHAT_TEXT,
    /** Unix time in ms by the server's clock. */
    sentAt: U64,
    sealed: withDefault(SEALED_TEXT, NO_BYTES),
  },
  { states: ["lobby", "room"] },
);
export type ChatMessage = MessageOf<typeof ChatMessage>;

/** Gives a participant another role for this life of the room. */
export const SetRole = row("set_role", "client", { participant: U32, role: ROLE }, { states: SEATED, answer: "ok" });

/** Takes the seat of a participant away. */
export const Kick = row(
  "kick",
  "client",
  { participant: U32, reason: withDefault(EXPLANATION, "") },
  { states: SEATED, answer: "ok" },
);

/** Changes the fields that are present. The end-to-end mode cannot be changed. */
export const UpdateRoom = row(
  "update_room",
  "client",
  { title: optional(DISPLAY_NAME), maxParticipants: optional(U16) },
  { states: SEATED, answer: "ok" },
);

/** Raises the own hand. A hand that is up stays in its place. */
export const RaiseHand = row("raise_hand", "client", {}, { states: SEATED, answer: "ok" });

/** Lowers a hand. A hand that is down stays down. */
export const LowerHand = row(
  "lower_hand",
  "client",
  {
    /** 0: the own hand. */
    participant: withDefault(U32, 0),
    /** Lowers all hands. `participant` is ignored then. */
    everybody: withDefault(BOOL, false),
  },
  { states: SEATED, answer: "ok" },
);

/** Lets nobody else enter this life of the room, or lets them enter again. */
export const LockRoom = row("lock_room", "client", { locked: BOOL }, { states: SEATED, answer: "ok" });

/** Holds all pictures of this life of the room, those of newcomers too, or lets them be sent again. */
export const SetAudioOnly = row("set_audio_only", "client", { audioOnly: BOOL }, { states: SEATED, answer: "ok" });

/** Ends the meeting for everybody. A permanent room stays, and can be entered again in another life. */
export const CloseRoom = row("close_room", "client", {}, { states: SEATED, answer: "ok" });
