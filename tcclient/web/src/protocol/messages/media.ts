/** Messages about publications, subscriptions and keys. */

import { array, BOOL, range, text, U8, U16, U32, withDefault } from "../fields.js";
import { type MessageOf, row, SEATED } from "./registry.js";
import {
  AddressedBox,
  Caps,
  KEY,
  KeyReceipt,
  KIND,
  LayerInterest,
  MAX_CHOICES,
  MAX_KEY_BOXES,
  MAX_STREAM_STATES,
  MAX_VOICES,
  MemberQuality,
  PUBLICATION_NUMBER,
  QUALITY,
  RoomKey,
  SOURCE,
  StreamChoice,
  StreamState,
  WORD,
} from "./types.js";

/** The stream id of a publication, and its caps. No packet is accepted before this. */
export const Published = row(
  "published",
  "server",
  { number: PUBLICATION_NUMBER, stream: U16, caps: Caps },
  { reply: true },
);
export type Published = MessageOf<typeof Published>;

/** Announces a publication under the next number of its publisher. */
export const Publish = row(
  "publish",
  "client",
  {
    number: PUBLICATION_NUMBER,
    kind: KIND,
    source: SOURCE,
    codec: WORD,
    muted: withDefault(BOOL, false),
    layers: withDefault(range(1, 4), 1),
    width: withDefault(U16, 0),
    height: withDefault(U16, 0),
    stills: withDefault(BOOL, false),
  },
  { states: SEATED, answer: "published" },
);
export type Publish = MessageOf<typeof Publish>;

/** Ends a publication. Its number is not used again. */
export const Unpublish = row("unpublish", "client", { number: PUBLICATION_NUMBER }, { states: SEATED, answer: "ok" });

/** Sets the mute flag of a live publication. The server drops the packets of a muted one. */
export const Mute = row(
  "mute",
  "client",
  { number: PUBLICATION_NUMBER, muted: BOOL },
  { states: SEATED, answer: "ok" },
);

/** Asks a participant to mute or unmute a source, or holds the source muted (`hard`). */
export const MuteOther = row(
  "mute_other",
  "client",
  {
    /** 0: everybody of a lower rank. */
    participant: U32,
    source: SOURCE,
    muted: BOOL,
    /** With `muted`, the server drops the packets, and the participant cannot unmute. Without, this ends. */
    hard: withDefault(BOOL, false),
  },
  { states: SEATED, answer: "ok" },
);

/** A participant asks this one to mute or unmute a source. Nothing happens unless the client does it. */
export const MuteAsked = row(
  "mute_asked",
  "server",
  {
    /** The one who asks. */
    participant: U32,
    source: SOURCE,
    muted: BOOL,
  },
  { states: SEATED },
);
export type MuteAsked = MessageOf<typeof MuteAsked>;

/** The wanted state of all subscriptions, whole each time. An older generation is ignored. */
export const Subscribe = row(
  "subscribe",
  "client",
  {
    generation: U32,
    /** Sources that are wanted of everybody, newcomers included. */
    defaults: array(SOURCE, 8),
    choices: withDefault(array(StreamChoice, MAX_CHOICES), []),
    /** Sources whose streams are wanted in the redundant variant, beside those of the choices. */
    redundant_sources: withDefault(array(SOURCE, 8), []),
    /** Streams of sound that are wanted at a time, at most, the most important; 0: all. */
    voices: withDefault(range(0, MAX_VOICES), 0),
  },
  { states: SEATED, answer: "ok" },
);

/** A receiver needs a keyframe. The server joins the requests of many, and passes them to the publisher. */
export const KeyframeRequest = row(
  "keyframe_request",
  "both",
  { stream: U16, spatial: withDefault(range(0, 3), 0) },
  { states: SEATED },
);

/** Tells a publisher of pictures which layers of its streams somebody wants: all spatial layers of each stream. */
export const Interest = row("interest", "server", { layers: array(LayerInterest, 64) }, { states: SEATED });
export type Interest = MessageOf<typeof Interest>;

/** Participants that began to speak, that stopped, and the dominant one, which may be silent (0: nobody). */
export const Speakers = row(
  "speakers",
  "server",
  {
    started: withDefault(array(U32, 1024), []),
    stopped: withDefault(array(U32, 1024), []),
    dominant: withDefault(U32, 0),
  },
  { states: SEATED },
);

/** How good this participant finds its own connection, when that has changed. The server tells the others. */
export const OwnQuality = row("own_quality", "client", { quality: QUALITY }, { states: SEATED });

/** The connections of participants that have become better or worse. A participant not named yet is unknown. */
export const MemberQualities = row("quality", "server", { members: array(MemberQuality, 1024) }, { states: SEATED });
export type MemberQualities = MessageOf<typeof MemberQualities>;

/** The streams that the server forwards otherwise than before. A stream not named yet has no limit. */
export const StreamStates = row(
  "stream_state",
  "server",
  { streams: array(StreamState, MAX_STREAM_STATES) },
  { states: SEATED },
);

/** Sender keys, boxed for each member. The server passes them on without opening them. */
export const KeyBoxes = row("key_boxes", "both", { boxes: array(AddressedBox, MAX_KEY_BOXES) }, { states: SEATED });

/** Confirms sender keys that arrived and opened. */
export const KeyReceipts = row(
  "key_receipts",
  "both",
  { receipts: array(KeyReceipt, MAX_KEY_BOXES) },
  { states: SEATED },
);

const KEYS = { mediaId: U32, epoch: U8, upKey: KEY, downKey: KEY };

/** New keys of the media path under a raised epoch. The server uses the old ones until the client uses these. */
export const SessionKeys = row("session_keys", "server", KEYS, { states: SEATED });

/** A key that a sealer will use soon. The key before it stays valid for 10 s after the first use of this one. */
export const NewRoomKey = row("room_key", "server", { roomKey: RoomKey }, { states: SEATED });

/** The sealer has ended. Its keys are to be forgotten. */
export const SealerClosed = row("sealer_closed", "server", { sealer: U32 }, { states: SEATED });

/** Moves the media path to a new media id with new keys. It has to be proved again. Another address is reserved. */
export const MediaMove = row(
  "media_move",
  "server",
  { ...KEYS, host: withDefault(text(45, 45), ""), port: withDefault(U16, 0) },
  { states: SEATED },
);
