// What tests of a session do in the room of a scripted server.

import assert from "node:assert/strict";
import { utf8 } from "../../../tcclient/web/src/protocol/bytes.js";
import { ItemType } from "../../../tcclient/web/src/protocol/datagram.js";
import * as messages from "../../../tcclient/web/src/protocol/messages.js";
import { PacketType, sealPacket } from "../../../tcclient/web/src/protocol/packet.js";
import { packPong, parsePing } from "../../../tcclient/web/src/protocol/path.js";
import { openKeyBox, sealKeyBox, SenderKey } from "../../../tcclient/web/src/protocol/sender-key.js";
import { clockUs } from "../../../tcclient/web/src/protocol/serial.js";
import { sharedKey } from "../../../tcclient/web/src/protocol/sodium.js";
import { OtherMember, Pair, ROOM_LIFE } from "./scripted-server.js";
import { filled } from "./server-end.js";

/** Return what a session that has ended says of its end. */
export function ending(pair: Pair): {
  readonly code: unknown;
  readonly dishonest: boolean;
} {
  const closed = pair.of("closed").at(-1);
  assert(closed !== undefined, "the session goes on");
  assert.equal(pair.session.phase, "closed");
  return { code: closed.code, dishonest: closed.dishonest };
}

export const DISHONEST = { code: "unexpected_message", dishonest: true };

/** Prove the path of a session by answering its newest ping. */
export function provePath(pair: Pair): void {
  const ping = pair
    .sentItems()
    .filter(({ type }) => type === ItemType.PING)
    .at(-1);
  assert(ping !== undefined, "no ping was sent");
  const pong = {
    ...parsePing(ping.value),
    receivedAt: clockUs(pair.now),
    highest: 0,
    received: 1,
  };
  pair.down({ type: ItemType.PATH_CHALLENGE, value: filled(3, 8) }, { type: ItemType.PONG, value: packPong(pong) });
}

/** Return the key that the session has boxed for a member, from its newest box. */
export function boxedKey(pair: Pair, other: OtherMember): SenderKey {
  const own = pair.ownMember();
  const boxes = pair.server.requests.flatMap(({ message }) => (message.t === "key_boxes" ? message.boxes : []));
  const box = boxes.filter(({ participant }) => participant === other.member.participant).at(-1);
  assert(box !== undefined, "no key was boxed");
  const context = {
    life: ROOM_LIFE,
    room: "rapat",
    e2ee: true,
    sender: own,
    recipient: other.member,
  };
  return openKeyBox(context, box.box, sharedKey(own.boxKey, other.boxPrivate)).senderKey;
}

/** Publish a microphone, and have the server accept it. */
export function publish(pair: Pair, stream = 40): number {
  const number = pair.session.seat.publishing.publish({ kind: "audio", source: "microphone", codec: "opus" }, pair.now);
  pair.pump();
  const caps = { bitrate: 100_000, packetsPerSecond: 120 };
  pair.say(messages.Published.make({ number, stream, caps }), pair.asked("publish").requestId);
  return number;
}

/** Give the session a sender key of another member. */
export function giveKey(pair: Pair, other: OtherMember, key: SenderKey, firstSequences: readonly never[] = []): void {
  const own = pair.ownMember();
  const context = {
    life: ROOM_LIFE,
    room: "rapat",
    e2ee: true,
    sender: other.member,
    recipient: own,
  };
  const shared = sharedKey(own.boxKey, other.boxPrivate);
  const box = sealKeyBox(context, { senderKey: key, firstSequences }, shared, filled(key.number, 24));
  pair.say(
    messages.KeyBoxes.make({
      boxes: [{ participant: other.member.participant, box }],
    }),
  );
}

/** Return a track of another member. */
export function track(other: OtherMember, stream = 50): messages.PublicationInfo {
  const { participant } = other.member;
  const fields = {
    participant,
    number: 1,
    stream,
    kind: "audio",
    source: "microphone",
    codec: "opus",
  } as const;
  return messages.PublicationInfo.make(fields);
}

/** Return a packet of sound that another member sealed for `track`. */
export function sound(key: SenderKey, sequence: number, payload: string, stream = 50): Uint8Array {
  const header = {
    type: PacketType.AUDIO,
    stream,
    keyNumber: key.number,
    generation: key.generation,
    sequence,
    timestamp: 960 * sequence,
    durationMs: 20,
    level: 30,
    voice: true,
    endOfTalk: false,
    comfort: false,
  } as const;
  const publicationKey = key.publicationKey(ROOM_LIFE, {
    number: 1,
    kind: 1,
    source: 1,
  });
  return sealPacket(header, utf8(payload), publicationKey, 16);
}

export function heard(pair: Pair): string[] {
  return pair.session.mediaReceived().map(({ payload }) => Buffer.from(payload).toString());
}
