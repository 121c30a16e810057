/** Messages of the handshake, of the login, and of any state. */

import { array, exactly, record, U8, U16, U32, U64, withDefault, type Whole } from "../fields.js";
import { ANY, type MessageOf, row } from "./registry.js";
import {
  ACCOUNT_NAME,
  ACTION,
  DISPLAY_NAME,
  ERROR_CODE,
  EXPLANATION,
  KEY,
  Limits,
  SIGNATURE,
  TOKEN,
  WORD,
} from "./types.js";

const VERSIONS = array(U16, 16);
const FEATURES = withDefault(array(WORD, 32), []);

/** Payload of the first handshake message. It is in clear; the handshake hash covers it. */
export const ClientHello = record("ClientHello", {
  versions: VERSIONS,
  features: FEATURES,
  software: withDefault(WORD, ""),
});

const SERVER_HELLO = { version: U16, versions: VERSIONS, features: FEATURES, software: withDefault(WORD, "") };
/** Payload of the second handshake message. `version` is 0 where the server speaks none of the client's. */
export type ServerHello = Whole<typeof SERVER_HELLO>;
export const ServerHello = record("ServerHello", SERVER_HELLO);

/** The request was carried out. */
export const Ok = row("ok", "server", {}, { reply: true });

const EXPLAINED = { code: ERROR_CODE, text: EXPLANATION, action: ACTION, retryAfterMs: withDefault(U32, 0) };

/** The request was refused. */
export const ErrorReply = row("error", "server", EXPLAINED, { reply: true });
export type ErrorReply = MessageOf<typeof ErrorReply>;

/** The last message of a connection: why it ends, and what the receiver should do. */
export const Close = row("close", "both", EXPLAINED, { states: ANY });

/** Answers a ping at once, with its `time`. */
export const Pong = row("pong", "both", { time: U64 }, { reply: true });

/** Asks for a pong. `time` is any number; the sender finds the round trip by it. */
export const Ping = row("ping", "both", { time: U64 }, { states: ANY, answer: "pong" });

/** A key with which a client may test UDP before the login. */
export const ProbeTicket = row(
  "probe_ticket",
  "server",
  { mediaId: U32, key: KEY, lifetimeMs: U16, datagrams: U8 },
  { reply: true },
);

/** Asks for a probe ticket, once on a connection. */
export const Probe = row("probe", "client", {}, { states: ["login"], answer: "probe_ticket" });

/** How to derive the account key. `account` is the folded name, with which the key is derived, and which is signed. */
export const LoginChallenge = row(
  "login_challenge",
  "server",
  { salt: exactly(16), memoryKib: U32, passes: U8, account: ACCOUNT_NAME },
  { reply: true },
);
export type LoginChallenge = MessageOf<typeof LoginChallenge>;

/** Names the account, typed or folded. */
export const LoginBegin = row(
  "login_begin",
  "client",
  { account: ACCOUNT_NAME },
  { states: ["login"], answer: "login_challenge" },
);

/** The login succeeded. */
export const Welcome = row(
  "welcome",
  "server",
  { session: U32, account: ACCOUNT_NAME, agency: DISPLAY_NAME, name: DISPLAY_NAME, resumeToken: TOKEN, limits: Limits },
  { reply: true },
);
export type Welcome = MessageOf<typeof Welcome>;

/** Proves the account and the device. The client must have asked for the challenge on this connection. */
export const Login = row(
  "login",
  "client",
  {
    account: ACCOUNT_NAME,
    name: DISPLAY_NAME,
    deviceKey: KEY,
    accountSignature: SIGNATURE,
    deviceSignature: SIGNATURE,
  },
  { states: ["login"], answer: "welcome" },
);

/** Gives the own account another password. The old account key signs; the session goes on, all others end. */
export const ChangePassword = row(
  "change_password",
  "client",
  { salt: exactly(16), memoryKib: U32, passes: U8, publicKey: KEY, signature: SIGNATURE },
  { states: ["lobby", "room"], answer: "ok" },
);
export type ChangePassword = MessageOf<typeof ChangePassword>;

/** The seat goes on, with new session keys under a raised epoch. What was missed follows, then a snapshot. */
export const Resumed = row(
  "resumed",
  "server",
  { participant: U32, mediaId: U32, epoch: U8, upKey: KEY, downKey: KEY, resumeToken: TOKEN, number: U64 },
  { reply: true },
);
export type Resumed = MessageOf<typeof Resumed>;

/** Takes a seat again after the connection was lost. */
export const Resume = row(
  "resume",
  "client",
  { token: TOKEN, deviceKey: KEY, deviceSignature: SIGNATURE, lastEvent: U64 },
  { states: ["login"], answer: "resumed" },
);
