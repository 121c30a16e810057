// Keys of a session of the page: our own, those of the others, and a room without any.

import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { hex, utf8 } from "../../../tcclient/web/src/protocol/bytes.js";
import { BareRing, MAX_WINDOWS } from "../../../tcclient/web/src/core/keys/member-keys.js";
import { CryptoFailure } from "../../../tcclient/web/src/protocol/errors.js";
import { ItemType } from "../../../tcclient/web/src/protocol/datagram.js";
import { KeyRing } from "../../../tcclient/web/src/protocol/keyring.js";
import * as messages from "../../../tcclient/web/src/protocol/messages.js";
import type { Member } from "../../../tcclient/web/src/protocol/messages.js";
import { isAudio, parseHeader, sealPacket } from "../../../tcclient/web/src/protocol/packet.js";
import { SenderKey } from "../../../tcclient/web/src/protocol/sender-key.js";
import { ready } from "../../../tcclient/web/src/protocol/sodium.js";
import { OtherMember, Pair, ROOM_LIFE } from "./scripted-server.js";
import { filled } from "./server-end.js";
import { boxedKey, heard, publish, sound, track } from "./scripted-room.js";

before(() => ready);

describe("our sender key", () => {
  const receipt = (pair: Pair, key: number): void =>
    pair.say(messages.KeyReceipts.make({ receipts: [{ participant: 2, key }] }));
  const joined = (pair: Pair, member: Member, first: bigint): void =>
    pair.say(
      messages.RoomChanges.make({
        first,
        changes: [messages.Change.make({ what: "member_joined", member })],
      }),
    );
  const left = (pair: Pair, participant: number, first: bigint): void =>
    pair.say(
      messages.RoomChanges.make({
        first,
        changes: [messages.Change.make({ what: "member_left", participant })],
      }),
    );
  const sends = (pair: Pair): boolean =>
    pair.session.seat.publications.sendAudio(1, { payload: utf8("halo"), timestamp: 0 }, pair.now);

  test("is used when all have it", () => {
    const other = new OtherMember(2);
    const pair = new Pair().seated(other);
    publish(pair);
    assert.equal(boxedKey(pair, other).number, 1);
    assert(!sends(pair));
    receipt(pair, 1);
    assert.equal(pair.of("publicationReady").length, 1);
    pair.sentItems();
    assert(sends(pair));
    pair.pump();
    const [packet] = pair.sentItems().filter(({ type }) => type === ItemType.PACKET);
    assert(packet !== undefined);
    const header = parseHeader(packet.value);
    assert(isAudio(header) && header.sequence === 0 && header.stream === 40);
    const ring = new KeyRing(ROOM_LIFE);
    ring.add({ senderKey: boxedKey(pair, other), firstSequences: [] }, 0);
    assert.equal(hex(ring.open(header, packet.value, { number: 1, kind: 1, source: 1 }, 0)), hex(utf8("halo")));
  });

  test("is used after three seconds without receipts", () => {
    const pair = new Pair().seated(new OtherMember(2));
    publish(pair);
    pair.advance(2.9);
    assert(!sends(pair));
    pair.advance(0.2);
    assert(sends(pair));
  });

  test("ratchets for a newcomer, who cannot read the past", () => {
    const [two, three] = [new OtherMember(2), new OtherMember(3)];
    const pair = new Pair().seated(two);
    publish(pair);
    receipt(pair, 1);
    sends(pair);
    joined(pair, three.member, 1n);
    assert.deepEqual(boxedKey(pair, three), boxedKey(pair, two).ratcheted());
  });

  test("is another one after a leave, at most one in two seconds", () => {
    const two = new OtherMember(2);
    const pair = new Pair().seated(two, new OtherMember(3), new OtherMember(4));
    publish(pair);
    left(pair, 3, 1n);
    left(pair, 4, 2n);
    pair.advance(1.9);
    assert.equal(boxedKey(pair, two).number, 1);
    pair.advance(0.2);
    assert.equal(boxedKey(pair, two).number, 2);
  });

  test("ends with the last publication; the next one has a key of its own", () => {
    const two = new OtherMember(2);
    const pair = new Pair().seated(two);
    publish(pair);
    pair.session.seat.publishing.unpublish(1);
    pair.advance(3);
    publish(pair, 41);
    assert.equal(boxedKey(pair, two).number, 2);
  });

  test("a stream id that comes back too soon is refused", () => {
    const pair = new Pair().seated();
    publish(pair);
    pair.session.seat.publishing.unpublish(1);
    publish(pair);
    assert.equal(pair.of("publishFailed")[0]?.code, "internal");
  });
});

describe("a room without end-to-end encryption", () => {
  function bare(other: OtherMember): Pair {
    const pair = new Pair();
    const room = pair.room({ e2ee: false });
    pair.login();
    pair.sitDown(room);
    const members = [pair.ownMember(), other.member];
    pair.say(
      messages.Snapshot.make({
        number: 0n,
        room,
        members,
        publications: [track(other)],
        last: true,
      }),
    );
    return pair;
  }

  test("needs no keys, and refuses replays all the same", () => {
    const pair = bare(new OtherMember(2));
    publish(pair);
    assert(pair.session.seat.publications.sendAudio(1, { payload: utf8("halo"), timestamp: 0 }, pair.now));
    assert(!pair.server.requests.some(({ message }) => message.t === "key_boxes"));
    const header = parseHeader(sound(new SenderKey(0, 0, filled(1)), 4, "siapa saja"));
    const packet = sealPacket(header, utf8("siapa saja"), undefined, 16);
    pair.forward(packet, 0);
    pair.forward(packet, 1);
    assert.deepEqual(heard(pair), ["siapa saja"]);
    assert.deepEqual(Object.fromEntries(pair.session.drops), {
      packet_refused: 1,
    });
  });

  test("has texts that are the server's word", () => {
    const pair = bare(new OtherMember(2));
    pair.session.seat.sendChat("terbuka", 1, pair.now);
    pair.pump();
    const { message } = pair.asked("chat");
    assert.deepEqual([message.text, message.sealed.length], ["terbuka", 0]);
    const fields = {
      messageId: filled(1, 16),
      participant: 2,
      name: "a / b",
      sentAt: 9n,
    };
    pair.say(messages.ChatMessage.make({ ...fields, scope: "room", text: "juga" }));
    pair.say(messages.ChatMessage.make({ ...fields, scope: "room", text: "juga" }));
    pair.say(
      messages.ChatMessage.make({
        ...fields,
        scope: "room",
        text: "",
        sealed: filled(1, 50),
      }),
    );
    assert.deepEqual(
      pair.of("chatReceived").map(({ text, sealed }) => [text, sealed]),
      [["juga", false]],
    );
    assert.equal(pair.session.drops.get("text"), 1);
  });
});

test("without keys a camera may be turned on and off as often as somebody likes", () => {
  const ring = new BareRing();
  for (let number = 1; number < 3 * MAX_WINDOWS; number++) {
    for (const sequence of [900, 5]) {
      const header = parseHeader(sound(new SenderKey(0, 0, filled(1)), sequence, "x"));
      const packet = sealPacket(header, utf8("x"), undefined, 16);
      const id = { number, kind: 1, source: 1 };
      assert.equal(hex(ring.open(header, packet, id)), hex(utf8("x")));
      assert.throws(() => ring.open(header, packet, id), CryptoFailure);
    }
  }
});
