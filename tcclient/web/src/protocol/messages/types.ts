/** Field types, enumerations and records that several control messages share. */

import { action, errorCode } from "../errors.js";
import {
  array,
  BOOL,
  converted,
  exactly,
  oneOf,
  optional,
  range,
  record,
  text,
  U8,
  U16,
  U32,
  U48,
  U64,
  upTo,
  type Whole,
  withDefault,
} from "../fields.js";
import { MAX_ACCOUNT_CHARACTERS, MAX_DISPLAY_CHARACTERS, MAX_ROOM_CHARACTERS } from "../names.js";

export const LIFE_ID_SIZE = 16;
export const MESSAGE_ID_SIZE = 16;
export const TOKEN_SIZE = 32;
/** The most choices of one `Subscribe`: as many as always fit. */
export const MAX_CHOICES = 700;
/** The most key boxes, or receipts, of one message. */
export const MAX_KEY_BOXES = 64;
/** The most voices that can be asked for; more are all. Nobody could tell more apart. */
export const MAX_VOICES = 16;
/** The most streams of one `StreamStates`. */
export const MAX_STREAM_STATES = 256;
/** The most changes of one message. */
export const MAX_CHANGES = 64;
/** The most members of a page of a snapshot. */
export const MEMBERS_PER_PAGE = 48;
/** The most publications of a page of a snapshot. */
export const PUBLICATIONS_PER_PAGE = 64;
/** The most room keys in the reply to a join. The keys of further sealers follow. */
export const MAX_JOINED_KEYS = 32;
/** The most characters of a chat text. */
export const MAX_TEXT_CHARS = 2000;
/** The most bytes of a chat text in UTF-8. */
export const MAX_TEXT_BYTES = 8000;
/** Bytes of the longest text when it is sealed for one member (PROTOCOL.md, section 8). */
export const MAX_SEALED_TEXT = 8297;

export const KEY = exactly(32);
export const SIGNATURE = exactly(64);
export const LIFE_ID = exactly(LIFE_ID_SIZE);
export const TOKEN = exactly(TOKEN_SIZE);
export const MESSAGE_ID = exactly(MESSAGE_ID_SIZE);
export const ACCOUNT_NAME = text(MAX_ACCOUNT_CHARACTERS, 4 * MAX_ACCOUNT_CHARACTERS);
export const DISPLAY_NAME = text(MAX_DISPLAY_CHARACTERS, 4 * MAX_DISPLAY_CHARACTERS);
/** Two display names, as "agency / name". */
export const FULL_NAME = text(131, 515);
export const ROOM_NAME = text(MAX_ROOM_CHARACTERS, 4 * MAX_ROOM_CHARACTERS);
export const WORD = text(32, 64);
export const EXPLANATION = text(256, 1024);
export const CHAT_TEXT = text(MAX_TEXT_CHARS, MAX_TEXT_BYTES, true);
export const SEALED_BOX = upTo(512);
export const SEALED_TEXT = upTo(MAX_SEALED_TEXT);
/** Number of a publication. 0 is the beacon, which nobody publishes. */
export const PUBLICATION_NUMBER = range(1, 2 ** 32 - 1);
export const ERROR_CODE = converted("ErrorCode", errorCode);
export const ACTION = converted("Action", action);

const KINDS = ["audio", "video", "data", "unknown"] as const;
/** What a publication carries. `data` is reserved. */
export type Kind = (typeof KINDS)[number];
export const KIND = oneOf("Kind", KINDS);

const SOURCES = ["microphone", "microphone_low", "camera", "screen", "screen_audio", "data", "unknown"] as const;
/** Where a publication comes from. `data` is reserved. */
export type Source = (typeof SOURCES)[number];
export const SOURCE = oneOf("Source", SOURCES);

const ROLES = ["admin", "chair", "speaker", "listener", "observer", "recorder", "unknown"] as const;
/** Role of a participant in a room. */
export type Role = (typeof ROLES)[number];
export const ROLE = oneOf("Role", ROLES);

const QUALITIES = ["lost", "poor", "good", "excellent", "unknown"] as const;
/** How good the connection of a participant is. */
export type Quality = (typeof QUALITIES)[number];
export const QUALITY = oneOf("Quality", QUALITIES);

const STREAM_LIMITS = ["none", "not_selected", "unknown"] as const;
/** Why a stream does not go to all who want its source. */
export type StreamLimit = (typeof STREAM_LIMITS)[number];
export const STREAM_LIMIT = oneOf("StreamLimit", STREAM_LIMITS);

const CHAT_SCOPES = ["room", "participant", "server", "unknown"] as const;
/** Who gets a text; `server` is everybody on the server: a notice of the operator. */
export type ChatScope = (typeof CHAT_SCOPES)[number];
export const CHAT_SCOPE = oneOf("ChatScope", CHAT_SCOPES);

const CHANGE_KINDS = [
  "member_joined",
  "member_updated",
  "member_left",
  "published",
  "publication_updated",
  "unpublished",
  "room_updated",
  "unknown",
] as const;
/** What a numbered change of a room is. An unknown one counts, and is otherwise ignored. */
export type ChangeKind = (typeof CHANGE_KINDS)[number];

/** Permission bits of a participant in a room. */
export const Permission = {
  SUBSCRIBE: 1 << 0,
  PUBLISH_AUDIO: 1 << 1,
  PUBLISH_VIDEO: 1 << 2,
  PUBLISH_SCREEN: 1 << 3,
  CHAT_ROOM: 1 << 4,
  CHAT_PRIVATE: 1 << 5,
  NOTICE: 1 << 6,
  KICK: 1 << 7,
  SET_ROLE: 1 << 8,
  UPDATE_ROOM: 1 << 9,
  CLOSE_ROOM: 1 << 10,
  /** Mute others, and lower their hands. */
  MUTE_OTHERS: 1 << 11,
} as const;

const LAYERS = withDefault(range(1, 4), 1);

const ROOM_INFO = {
  name: ROOM_NAME,
  /** Random, and new for each life of a room. The end-to-end mode and all signatures belong to one life. */
  life: LIFE_ID,
  e2ee: BOOL,
  maxParticipants: U16,
  permanent: withDefault(BOOL, false),
  title: withDefault(DISPLAY_NAME, ""),
  /** Whether nobody else may enter this life of the room. */
  locked: withDefault(BOOL, false),
  /** Whether all pictures of this life of the room are held. */
  audioOnly: withDefault(BOOL, false),
};
/** A room, without its members. */
export type RoomInfo = Whole<typeof ROOM_INFO>;
export const RoomInfo = record("RoomInfo", ROOM_INFO);

const MEMBER = {
  participant: U32,
  account: ACCOUNT_NAME,
  agency: DISPLAY_NAME,
  name: DISPLAY_NAME,
  role: ROLE,
  deviceKey: KEY,
  boxKey: KEY,
  /** Unix time in ms by the clock of the member. */
  signedAt: U64,
  /** The member signature (by `deviceKey`) over server fingerprint, life, account, name, box key and `signedAt`. */
  signature: SIGNATURE,
  beaconStream: U16,
  /** `Permission` bits. A room may give others than the role does. */
  permissions: withDefault(U16, 0),
  /** Unix time in ms, by the server's clock, at which the hand was raised; 0: it is down. Hands stand in this order. */
  hand: withDefault(U64, 0n),
};
/** A participant in the roster, which is shown as "agency / name". */
export type Member = Whole<typeof MEMBER>;
export const Member = record("Member", MEMBER);

const PUBLICATION_INFO = {
  participant: U32,
  number: PUBLICATION_NUMBER,
  stream: U16,
  kind: KIND,
  source: SOURCE,
  codec: WORD,
  muted: withDefault(BOOL, false),
  /** Number of spatial layers. Layer 0 is the lowest. */
  layers: LAYERS,
  width: withDefault(U16, 0),
  height: withDefault(U16, 0),
  /**
   * Whether another participant has muted it: it alone, or with all pictures of the room. Its publisher cannot unmute it.
   */
  held: withDefault(BOOL, false),
  /** Whether the lowest of several layers is one of still pictures: a keyframe each few seconds. */
  stills: withDefault(BOOL, false),
};
/** A publication of a member. Its publisher counts `number`, and never uses one twice under a sender key. */
export type PublicationInfo = Whole<typeof PUBLICATION_INFO>;
export const PublicationInfo = record("PublicationInfo", PUBLICATION_INFO);

const CAPS = {
  /** Bits per second of datagrams, UDP payload. */
  bitrate: U32,
  packetsPerSecond: U16,
};
/** The most that the server accepts of a publication. It drops what is more. */
export type Caps = Whole<typeof CAPS>;
export const Caps = record("Caps", CAPS);

const CLASS_RATE = {
  name: WORD,
  /** In the long run. */
  perMinute: U32,
  /** At once, before the long run counts. */
  burst: U16,
};
/** How many messages of a class a connection may send. */
export const ClassRate = record("ClassRate", CLASS_RATE);

const LIMITS = {
  textChars: U16,
  textBytes: U16,
  /** Publications of one participant. */
  publications: U8,
  /** Participants of one room, unless the room sets less. */
  participants: U16,
  /** Of the class `other`, on average. */
  requestsPerSecond: U16,
  /** Of all classes that are limited. `all` counts every message, and the connection ends beyond it. */
  rates: withDefault(array(ClassRate, 16), []),
};
/** Limits of the server, so that a client can respect them. */
export type Limits = Whole<typeof LIMITS>;
export const Limits = record("Limits", LIMITS);

const ROOM_KEY = {
  sealer: U32,
  epoch: U8,
  key: KEY,
  /** A receiver takes datagrams with a counter below it for replays. */
  lowest: U48,
};
/** The key of a sealer for one epoch. */
export type RoomKey = Whole<typeof ROOM_KEY>;
export const RoomKey = record("RoomKey", ROOM_KEY);

const STREAM_CHOICE = {
  stream: U16,
  wanted: withDefault(BOOL, true),
  /** Whether the variant with copies is wanted. */
  redundant: withDefault(BOOL, false),
  maxSpatial: withDefault(range(0, 3), 3),
  maxTemporal: withDefault(range(0, 7), 7),
  /** Lower spatial layers are not sent. */
  minSpatial: withDefault(range(0, 3), 0),
  /** Whether it is wanted only as the default of its source has it. The rest of the choice then says how. */
  byDefault: withDefault(BOOL, false),
};
/** The wish of a receiver for one stream. It overrides the default of its source. */
export type StreamChoice = Whole<typeof STREAM_CHOICE>;
export const StreamChoice = record("StreamChoice", STREAM_CHOICE);

const MEMBER_QUALITY = { participant: U32, quality: QUALITY };
/** How good the connection of a participant is, as it found itself, or lost as the server found. */
export type MemberQuality = Whole<typeof MEMBER_QUALITY>;
export const MemberQuality = record("MemberQuality", MEMBER_QUALITY);

/** A stream, and why it does not go to all who want its source. */
export const StreamState = record("StreamState", { stream: U16, limit: STREAM_LIMIT });

/** Whether somebody wants a spatial layer of a stream, and up to which temporal layer. */
export const LayerInterest = record("LayerInterest", {
  stream: U16,
  spatial: range(0, 3),
  maxTemporal: range(0, 7),
  wanted: BOOL,
});

const ADDRESSED_BOX = { participant: U32, box: SEALED_BOX };
/** A key box and the participant it goes to (towards the server) or comes from (towards the client). */
export type AddressedBox = Whole<typeof ADDRESSED_BOX>;
export const AddressedBox = record("AddressedBox", ADDRESSED_BOX);

const KEY_RECEIPT = {
  participant: U32,
  /** Key number. */
  key: U32,
};
/** Confirms a sender key. It is addressed like `AddressedBox`. */
export type KeyReceipt = Whole<typeof KEY_RECEIPT>;
export const KeyReceipt = record("KeyReceipt", KEY_RECEIPT);

const CHANGE = {
  what: oneOf("ChangeKind", CHANGE_KINDS),
  /** member_left, unpublished. */
  participant: optional(U32),
  /** member_joined, member_updated. */
  member: optional(Member),
  /** published, publication_updated. */
  publication: optional(PublicationInfo),
  /** unpublished: the publication. */
  number: optional(PUBLICATION_NUMBER),
  /** room_updated. */
  room: optional(RoomInfo),
  /** member_left: the reason, if the member did not leave by itself. */
  code: optional(ERROR_CODE),
};
/** One change of a room. `what` says which of the other fields are present. */
export type Change = Whole<typeof CHANGE>;
export const Change = record("Change", CHANGE);
