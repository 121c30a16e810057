// The session of the page against a server that says what no honest server says, and one that does.

import assert from "node:assert/strict";
import { before, describe, test } from "node:test";

import { Lives } from "../../../tcclient/web/src/core/membership/lives.js";
import { accountChangeText, accountLoginText, deviceLoginText } from "../../../tcclient/web/src/protocol/account.js";
import { openBeacon, unsignedBeacon } from "../../../tcclient/web/src/protocol/beacon.js";
import { concat, equal, hex, utf8 } from "../../../tcclient/web/src/protocol/bytes.js";
import { ItemType, openDatagram, parseDatagramHeader } from "../../../tcclient/web/src/protocol/datagram.js";
import { KeyRing } from "../../../tcclient/web/src/protocol/keyring.js";
import { SigningKey } from "../../../tcclient/web/src/protocol/identity.js";
import { memberSetHash, roomHash, statementText } from "../../../tcclient/web/src/protocol/membership.js";
import * as messages from "../../../tcclient/web/src/protocol/messages.js";
import type { Member } from "../../../tcclient/web/src/protocol/messages.js";
import { isAudio, PacketType, parseHeader, sealPacket } from "../../../tcclient/web/src/protocol/packet.js";
import { packPong, parsePing } from "../../../tcclient/web/src/protocol/path.js";
import { openKeyBox, sealKeyBox, SenderKey } from "../../../tcclient/web/src/protocol/sender-key.js";
import { clockUs } from "../../../tcclient/web/src/protocol/serial.js";
import { publicOf, ready, sharedKey, verifyDetached } from "../../../tcclient/web/src/protocol/sodium.js";
import { parseTextHeader, sealRoomText, textKey } from "../../../tcclient/web/src/protocol/text.js";
import { filled, OtherMember, Pair, ROOM_LIFE, serverFingerprint, STATIC } from "./scripted-server.js";

before(() => ready);

/** Return what a session that has ended says of its end. */
function ending(pair: Pair): {
  readonly code: unknown;
  readonly dishonest: boolean;
} {
  const closed = pair.of("closed").at(-1);
  assert(closed !== undefined, "the session goes on");
  assert.equal(pair.session.phase, "closed");
  return { code: closed.code, dishonest: closed.dishonest };
}

const DISHONEST = { code: "unexpected_message", dishonest: true };

/** Prove the path of a session by answering its newest ping. */
function provePath(pair: Pair): void {
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
function boxedKey(pair: Pair, other: OtherMember): SenderKey {
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
function publish(pair: Pair, stream = 40): number {
  const number = pair.session.seat.publish({ kind: "audio", source: "microphone", codec: "opus" }, pair.now);
  pair.pump();
  const caps = { bitrate: 100_000, packetsPerSecond: 120 };
  pair.say(messages.Published.make({ number, stream, caps }), pair.asked("publish").requestId);
  return number;
}

/** Give the session a sender key of another member. */
function giveKey(pair: Pair, other: OtherMember, key: SenderKey, firstSequences: readonly never[] = []): void {
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
function track(other: OtherMember, stream = 50): messages.PublicationInfo {
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
function sound(key: SenderKey, sequence: number, payload: string, stream = 50): Uint8Array {
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

function heard(pair: Pair): string[] {
  return pair.session.mediaReceived().map(({ payload }) => Buffer.from(payload).toString());
}

describe("login", () => {
  test("both signatures are of this connection and of what was asked for", () => {
    const pair = new Pair();
    pair.login();
    const { message } = pair.asked("login");
    assert.deepEqual([message.account, message.name], ["dinas.kesehatan", "Siti Aminah"]);
    const [text] = pair.signed;
    assert(text !== undefined && verifyDetached(pair.device.public, text, message.deviceSignature));
    const hash = text.subarray(utf8("tc device login v1\0").length).subarray(0, 64);
    assert.deepEqual(text, deviceLoginText(hash, "dinas.kesehatan"));
    const account = accountLoginText(hash, pair.device.public, "dinas.kesehatan");
    assert(verifyDetached(message.deviceKey, text, message.deviceSignature));
    assert(account.length > 0 && pair.session.phase === "lobby");
  });

  test("nothing is sent to a server with another key than the expected one", () => {
    const pair = new Pair({ fingerprint: filled(1, 20) });
    assert.equal(pair.of("wrongServerKey").length, 1);
    assert.deepEqual(ending(pair), { code: "bad_handshake", dishonest: true });
    assert.deepEqual(pair.server.requests, []);
  });

  test("nothing is sent to an unknown server before it is trusted", () => {
    const pair = new Pair({ fingerprint: undefined });
    const [key] = pair.of("serverKey");
    assert(key !== undefined && equal(key.static, publicOf(STATIC)) && !key.trusted);
    assert.deepEqual(key.fingerprint, serverFingerprint());
    assert.throws(() => pair.session.beginLogin("a", "b"), { name: "Refusal" });
    pair.advance(60);
    assert.deepEqual(pair.server.requests, []);
    pair.session.trustServer(pair.now);
    pair.login();
    assert.equal(pair.session.phase, "lobby");
  });

  for (const [what, challenge] of [
    ["another account", { account: "orang.lain", memoryKib: 65_536, passes: 2 }],
    ["costs that are too cheap", { account: "siti", memoryKib: 1024, passes: 2 }],
    ["costs that are too dear", { account: "siti", memoryKib: 2 ** 20, passes: 2 }],
    ["one pass", { account: "siti", memoryKib: 65_536, passes: 1 }],
  ] as const) {
    test(`a challenge for ${what} ends the session`, () => {
      const pair = new Pair();
      pair.session.beginLogin("siti", "Siti");
      pair.pump();
      const { requestId } = pair.asked("login_begin");
      pair.say(messages.LoginChallenge.make({ salt: filled(5, 16), ...challenge }), requestId);
      assert.deepEqual(ending(pair), DISHONEST);
      assert.deepEqual([pair.of("deriveKey"), pair.signed], [[], []]);
    });
  }

  test("a welcome for somebody else ends the session", () => {
    const pair = new Pair();
    pair.login({ name: "Budi" });
    assert.deepEqual(ending(pair), DISHONEST);
  });

  test("a refusal is told, and another try is possible", () => {
    const pair = new Pair();
    pair.session.beginLogin("siti", "Siti");
    pair.pump();
    const refusal = {
      code: "bad_credentials",
      text: "wrong",
      action: "stop",
    } as const;
    pair.say(messages.ErrorReply.make(refusal), pair.asked("login_begin").requestId);
    assert.equal(pair.of("loginFailed")[0]?.code, "bad_credentials");
    pair.login();
    assert.equal(pair.session.phase, "lobby");
  });
});

describe("what breaks the protocol ends the connection", () => {
  const cases: readonly (readonly [string, string, (pair: Pair) => void])[] = [
    ["a frame of no byte", "bad_frame", (pair) => pair.server.sendRaw(Uint8Array.of(0, 0))],
    [
      "a frame that does not verify",
      "bad_frame",
      (pair) => pair.server.sendRaw(new Uint8Array(22).fill(0, 1).fill(20, 1, 2)),
    ],
    ["a frame of another type", "bad_frame", (pair) => pair.server.sendBody(Uint8Array.of(7, 1))],
    ["a frame without a type", "bad_frame", (pair) => pair.server.sendBody(new Uint8Array(0))],
    ["no message", "bad_message", (pair) => pair.server.sendBody(Uint8Array.of(0, 0xc0))],
    ["a reply to nothing", "unexpected_message", (pair) => pair.server.send(messages.Ok.make({}), 99)],
    ["a message of ours", "unexpected_message", (pair) => pair.server.send(messages.Leave.make({}), 1)],
    ["a message of the login after it", "unexpected_message", (pair) => pair.server.send(messages.Probe.make({}), 1)],
  ];
  for (const [what, code, send] of cases) {
    test(what, () => {
      const pair = new Pair();
      pair.login();
      send(pair);
      pair.pump();
      assert.deepEqual(ending(pair), { code, dishonest: false });
      const { message } = pair.asked("close");
      assert.equal(message.code, code);
    });
  }

  test("a message before the login", () => {
    const pair = new Pair();
    pair.say(messages.Evicted.make({ code: "kicked", text: "" }));
    assert.deepEqual(ending(pair), {
      code: "unexpected_message",
      dishonest: false,
    });
  });

  test("but not a message of a later version", () => {
    const pair = new Pair();
    pair.login();
    pair.server.sendBody(concat(Uint8Array.of(0, 0x81, 0xa1), utf8("t"), Uint8Array.of(0xa1), utf8("z")));
    pair.say(messages.Ping.make({ time: 2n ** 63n }), 5);
    assert.deepEqual(pair.asked("pong").message.time, 2n ** 63n);
  });
});

describe("the control connection", () => {
  test("a server that says nothing is given up after 15 s", () => {
    const pair = new Pair();
    pair.login();
    pair.advance(14.9);
    assert.equal(pair.session.phase, "lobby");
    assert.equal(pair.server.requests.filter(({ message }) => message.t === "ping").length, 2);
    pair.advance(0.2);
    assert.deepEqual(ending(pair), { code: "idle_timeout", dishonest: false });
  });

  test("it begins again on another one, and remembers the lives", () => {
    const lives = new Lives();
    const pair = new Pair({}, lives);
    pair.login();
    pair.session.receiveEof();
    assert.throws(() => new Pair({}, lives).session.reconnect(1), {
      name: "Refusal",
    });
    pair.session.reconnect(pair.now);
    assert.equal(pair.session.phase, "connecting");
    assert(pair.session.controlToSend().length > 0);
  });
});

describe("the roster", () => {
  const other = (): OtherMember => new OtherMember(2);

  test("shows those who were there, ourselves first, and the same set as the others", () => {
    const pair = new Pair().seated(other());
    const joined = pair
      .of("participantJoined")
      .map(({ participant }) => [participant.member.name, participant.verified]);
    assert.deepEqual(joined, [
      ["Siti Aminah", true],
      ["Nama 2", true],
    ]);
    const members = [pair.ownMember(), other().member];
    assert.deepEqual(pair.session.seat.room.memberSetHash(), memberSetHash(ROOM_LIFE, "rapat", members));
    assert.match(pair.session.seat.room.safetyCode(), /^(\d{5} ){5}\d{5}$/);
  });

  const lies: readonly (readonly [string, (pair: Pair) => readonly Member[]])[] = [
    ["without us", () => [other().member]],
    ["with us under another name", (pair) => [{ ...pair.ownMember(), name: "Budi" }]],
    ["with another box key of ours", (pair) => [{ ...pair.ownMember(), boxKey: filled(9) }]],
    ["with us twice", (pair) => [pair.ownMember(), { ...pair.ownMember(), participant: 3 }]],
  ];
  for (const [what, members] of lies) {
    test(`${what} ends the session`, () => {
      const pair = new Pair();
      pair.login();
      pair.sitDown();
      pair.snapshot(members(pair));
      assert.deepEqual(ending(pair), DISHONEST);
    });
  }

  test("with a publication of ours that we did not announce ends the session", () => {
    const pair = new Pair();
    pair.login();
    pair.sitDown();
    pair.snapshot([pair.ownMember()], [{ ...track(other()), participant: 1 }]);
    assert.deepEqual(ending(pair), DISHONEST);
  });

  test("of another life ends the session", () => {
    const pair = new Pair().seated();
    pair.say(
      messages.RoomChanges.make({
        first: 1n,
        changes: [
          messages.Change.make({
            what: "room_updated",
            room: pair.room({ life: filled(1, 16) }),
          }),
        ],
      }),
    );
    assert.deepEqual(ending(pair), DISHONEST);
  });

  test("a member whose signature does not hold is shown, and gets nothing", () => {
    const forged = new OtherMember(2, { name: "Bupati" });
    const pair = new Pair().seated(forged);
    const shown = pair.of("participantJoined").map(({ participant }) => participant.verified);
    assert.deepEqual(shown, [true, false]);
    publish(pair);
    assert(!pair.server.requests.some(({ message }) => message.t === "key_boxes"));
    assert.throws(() => pair.session.seat.sendChat("a", 1, pair.now, "participant", 2), { code: "not_permitted" });
  });

  test("a seat whose box key was spent is not verified when it comes back", () => {
    const pair = new Pair().seated(other());
    const left = messages.Change.make({
      what: "member_left",
      participant: 2,
      code: "kicked",
    });
    const back = messages.Change.make({
      what: "member_joined",
      member: { ...other().member, participant: 7 },
    });
    pair.say(messages.RoomChanges.make({ first: 1n, changes: [left] }));
    pair.say(messages.RoomChanges.make({ first: 2n, changes: [back] }));
    assert.equal(pair.of("participantLeft")[0]?.code, "kicked");
    assert.equal(pair.of("participantJoined").at(-1)?.participant.verified, false);
  });

  test("a gap in the changes leads to a snapshot, and nothing is told before", () => {
    const pair = new Pair().seated();
    const joined = messages.Change.make({
      what: "member_joined",
      member: other().member,
    });
    pair.say(messages.RoomChanges.make({ first: 5n, changes: [joined] }));
    assert.equal(pair.of("participantJoined").length, 1);
    pair.advance(0.1);
    pair.say(messages.Ok.make({}), pair.asked("get_snapshot").requestId);
    pair.snapshot([pair.ownMember(), other().member], [], 5n);
    assert.equal(pair.of("participantJoined").length, 2);
    pair.advance(10);
    assert.equal(pair.server.requests.filter(({ message }) => message.t === "get_snapshot").length, 1);
  });

  test("the same snapshot again changes nothing, and the keys stay", () => {
    const pair = new Pair().seated(other());
    const peer = pair.session.seat.memberKeys.get(2);
    const before = pair.events.length;
    pair.snapshot([pair.ownMember(), other().member], [], 0n);
    assert.equal(pair.events.length, before);
    assert.equal(pair.session.seat.memberKeys.get(2), peer);
  });

  test("a life that is over does not come back", () => {
    const lives = new Lives();
    lives.enter(serverFingerprint(), "rapat", ROOM_LIFE);
    lives.enter(serverFingerprint(), "rapat", filled(2, 16));
    const pair = new Pair({}, lives);
    pair.login();
    pair.session.join({ room: "rapat", unixMs: 1 });
    pair.pump();
    pair.say(messages.Room.make({ room: pair.room() }), pair.asked("open_room").requestId);
    assert.deepEqual(ending(pair), DISHONEST);
  });

  test("a room of another mode is refused, and the login stands", () => {
    const pair = new Pair();
    pair.login();
    pair.session.join({ room: "rapat", unixMs: 1 });
    pair.pump();
    pair.say(messages.Room.make({ room: pair.room({ e2ee: false }) }), pair.asked("open_room").requestId);
    assert.equal(pair.of("joinFailed")[0]?.code, "mode_mismatch");
    assert.equal(pair.session.phase, "lobby");
  });

  test("the seat is signed for server, life, room, account, name and box key", () => {
    const pair = new Pair().seated();
    const { boxKey, signedAt, signature } = pair.asked("join").message;
    const seat = {
      account: "dinas.kesehatan",
      name: "Siti Aminah",
      boxKey,
      signedAt,
    };
    const text = statementText({
      fingerprint: serverFingerprint(),
      life: ROOM_LIFE,
      room: "rapat",
      ...seat,
    });
    assert.deepEqual(pair.signed[1], text);
    assert(verifyDetached(pair.device.public, text, signature));
  });
});

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
    pair.session.seat.sendAudio(1, { payload: utf8("halo"), timestamp: 0 }, pair.now);

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
    pair.session.seat.unpublish(1);
    pair.advance(3);
    publish(pair, 41);
    assert.equal(boxedKey(pair, two).number, 2);
  });

  test("a stream id that comes back too soon is refused", () => {
    const pair = new Pair().seated();
    publish(pair);
    pair.session.seat.unpublish(1);
    publish(pair);
    assert.equal(pair.of("publishFailed")[0]?.code, "internal");
  });
});

describe("media of others", () => {
  const key = new SenderKey(1, 0, filled(0xc0));

  function listening(): { readonly pair: Pair; readonly other: OtherMember } {
    const other = new OtherMember(2);
    const pair = new Pair().seated(other);
    pair.snapshot([pair.ownMember(), other.member], [track(other)], 1n);
    return { pair, other };
  }

  test("opens, counts what is missing, and tells who speaks", () => {
    const { pair, other } = listening();
    giveKey(pair, other, key);
    assert.deepEqual(pair.asked("key_receipts").message.receipts, [{ participant: 2, key: 1 }]);
    pair.forward(sound(key, 0, "satu"), 0);
    pair.forward(sound(key, 2, "tiga"), 2);
    const received = pair.session.mediaReceived();
    assert.deepEqual(
      received.map(({ payload, lost }) => [Buffer.from(payload).toString(), lost]),
      [
        ["satu", 0],
        ["tiga", 1],
      ],
    );
    assert.deepEqual(
      pair.of("speakers").map(({ started, dominant }) => [started, dominant]),
      [[[2], 2]],
    );
    pair.advance(0.5);
    assert.deepEqual(pair.of("speakers").at(-1)?.stopped, [2]);
    const { down } = pair.session.networkStatistics();
    assert.deepEqual([down.packets, down.lost], [3, 1]);
  });

  test("waits for its key, but not for long", () => {
    const { pair, other } = listening();
    pair.forward(sound(key, 0, "cepat"), 0);
    pair.advance(0.1);
    giveKey(pair, other, key);
    assert.deepEqual(heard(pair), ["cepat"]);
    const next = new SenderKey(2, 0, filled(0xc1));
    pair.forward(sound(next, 1, "lambat"), 1);
    pair.advance(0.3);
    giveKey(pair, other, next);
    assert.deepEqual(heard(pair), []);
    assert.equal(pair.session.drops.get("no_key"), 1);
  });

  test("is dropped where it is replayed, forged, or of nobody", () => {
    const { pair, other } = listening();
    giveKey(pair, other, key);
    const datagram = pair.forward(sound(key, 0, "satu"), 0);
    pair.give(datagram);
    pair.forward(sound(key, 0, "satu"), 1);
    const forged = sound(key, 1, "dua");
    forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1;
    pair.forward(forged, 2);
    pair.forward(sound(key, 5, "entah", 99), 3);
    pair.forward(sound(key, 9, "jauh"), 4, 9000);
    pair.give(new Uint8Array(20));
    pair.advance(1);
    pair.forward(sound(key, 5, "entah", 99), 4);
    assert.deepEqual(heard(pair), ["satu"]);
    const counts = Object.fromEntries(pair.session.drops);
    assert.deepEqual(counts, {
      replay: 1,
      packet_refused: 2,
      ahead: 1,
      size: 1,
      unknown_stream: 1,
    });
  });

  test("of a stream that the roster does not name yet waits for it", () => {
    const other = new OtherMember(2);
    const pair = new Pair().seated(other);
    giveKey(pair, other, key);
    pair.forward(sound(key, 0, "awal"), 0);
    assert.deepEqual(heard(pair), []);
    const published = messages.Change.make({
      what: "published",
      publication: track(other),
    });
    pair.say(messages.RoomChanges.make({ first: 1n, changes: [published] }));
    assert.deepEqual(heard(pair), ["awal"]);
  });

  test("of a track that the server calls muted shows that it is not", () => {
    const { pair, other } = listening();
    giveKey(pair, other, key);
    pair.snapshot([pair.ownMember(), other.member], [{ ...track(other), muted: true }], 2n);
    for (let i = 0; i < 60; i++) {
      pair.advance(0.05);
      pair.forward(sound(key, i, "a"), i);
    }
    assert.deepEqual(
      pair.of("trackUpdated").map(({ track: { muted } }) => muted),
      [true, false],
    );
  });
});

describe("the media path", () => {
  test("is proved by a challenge, answered, and lost after three silent seconds", () => {
    const pair = new Pair().seated();
    provePath(pair);
    assert.deepEqual(
      pair.of("pathChanged").map(({ state }) => state),
      ["ok"],
    );
    const responses = pair.sentItems().filter(({ type }) => type === ItemType.PATH_RESPONSE);
    assert.deepEqual(
      responses.map(({ value }) => hex(value)),
      ["0303030303030303"],
    );
    pair.advance(5);
    assert.deepEqual(
      pair.of("pathChanged").map(({ state }) => state),
      ["ok", "lost"],
    );
    provePath(pair);
    assert.equal(pair.of("pathChanged").at(-1)?.state, "ok");
  });

  test("is pinged at first at 0, 0.2 and 0.5 s", () => {
    const pair = new Pair().seated();
    const times: number[] = [];
    for (let i = 0; i < 60; i++) {
      if (pair.sentItems().some(({ type }) => type === ItemType.PING))
        times.push(Math.round((pair.now - 100) * 100) / 100);
      pair.advance(0.01);
    }
    assert.deepEqual(times, [0, 0.2, 0.5]);
  });
});

describe("beacons", () => {
  function received(pair: Pair): ReturnType<typeof openBeacon>[] {
    const context = {
      fingerprint: serverFingerprint(),
      life: ROOM_LIFE,
      boxKey: pair.ownMember().boxKey,
    };
    return pair
      .sentItems()
      .filter(({ type, value }) => type === ItemType.PACKET && parseHeader(value).type === PacketType.BEACON)
      .map(({ value }) => openBeacon(value, context, pair.device.public));
  }

  function beacon(pair: Pair, other: OtherMember, sequence: number, memberSet: Uint8Array): void {
    const { boxKey, beaconStream } = other.member;
    const context = {
      fingerprint: serverFingerprint(),
      life: ROOM_LIFE,
      boxKey,
    };
    const fields = {
      memberSet,
      keyNumber: 0,
      generation: 0,
      commitment: new Uint8Array(32),
      clocks: [],
    };
    const { front, signed } = unsignedBeacon(fields, beaconStream, sequence, 0, context);
    pair.forward(concat(front, other.device.sign(signed)), sequence);
  }

  test("are sent when the path is proved, then one and three seconds later, then every ten", () => {
    const pair = new Pair().seated();
    provePath(pair);
    const times: number[] = [];
    for (let i = 0; i < 150; i++) {
      pair.advance(0.1);
      const found = received(pair);
      for (const { memberSet } of found) assert.deepEqual(memberSet, pair.session.seat.room.memberSetHash());
      if (found.length > 0) times.push(Math.round(pair.now - 100));
      if (i % 5 === 0) pair.down({ type: ItemType.PADDING, value: new Uint8Array(1) });
    }
    assert.deepEqual(times, [0, 1, 3, 13]);
  });

  test("of another set of members for ten seconds are told, and that they agree again", () => {
    const other = new OtherMember(2);
    const pair = new Pair().seated(other);
    beacon(pair, other, 1, filled(1, 16));
    pair.advance(5);
    beacon(pair, other, 2, filled(1, 16));
    assert.equal(pair.of("membershipMismatch").length, 0);
    pair.advance(6);
    beacon(pair, other, 3, filled(1, 16));
    assert.equal(pair.of("membershipMismatch").length, 1);
    beacon(pair, other, 4, pair.session.seat.room.memberSetHash());
    assert.equal(pair.of("membershipAgreed").length, 1);
    beacon(pair, other, 4, filled(1, 16));
    assert.equal(pair.session.drops.get("packet_refused"), 1);
  });

  test("that stay away make a member silent, who gets no keys until it is heard", () => {
    const two = new OtherMember(2);
    const pair = new Pair().seated(two);
    provePath(pair);
    for (let i = 0; i < 31; i++) {
      pair.advance(1);
      pair.down({ type: ItemType.PADDING, value: new Uint8Array(1) });
      pair.server.send(messages.Ping.make({ time: 0n }), i + 1);
      pair.pump();
    }
    assert.deepEqual(
      pair.of("memberSilent").map(({ participant }) => participant),
      [2],
    );
    publish(pair);
    assert(!pair.server.requests.some(({ message }) => message.t === "key_boxes"));
    beacon(pair, two, 1, pair.session.seat.room.memberSetHash());
    assert.equal(pair.of("memberHeard").length, 1);
    assert.equal(boxedKey(pair, two).number, 1);
  });
});

describe("texts", () => {
  const key = new SenderKey(1, 0, filled(0xc0));

  function write(
    pair: Pair,
    other: OtherMember,
    sequence: number,
    previous: number,
    text: string,
    id = sequence,
  ): void {
    const messageId = filled(id, 16);
    const note = { messageId, previous, writtenAt: 5, text };
    const sealed = sealRoomText({ number: 1, generation: 0, sequence }, note, textKey(key, ROOM_LIFE, other.member));
    const { participant } = other.member;
    const fields = {
      messageId,
      scope: "room",
      participant,
      name: "a / b",
      text: "",
      sentAt: 9n,
      sealed,
    } as const;
    pair.say(messages.ChatMessage.make(fields));
  }

  const shown = (pair: Pair): string[] => pair.of("chatReceived").map(({ text }) => text);

  test("of others wait for their key, come once, and show a gap", () => {
    const other = new OtherMember(2);
    const pair = new Pair().seated(other);
    write(pair, other, 1, 0, "satu");
    assert.deepEqual(shown(pair), []);
    giveKey(pair, other, key);
    write(pair, other, 1, 0, "satu");
    write(pair, other, 3, 2, "tiga");
    assert.deepEqual(shown(pair), ["satu", "tiga"]);
    assert.equal(pair.of("chatReceived")[0]?.name, "Kantor 2 / Nama 2");
    assert.equal(pair.of("textMissing").length, 1);
    assert.equal(pair.session.drops.get("text"), 1);
  });

  test("that are not sealed are not shown, but for notices", () => {
    const other = new OtherMember(2);
    const pair = new Pair().seated(other);
    const fields = {
      messageId: filled(1, 16),
      participant: 2,
      name: "a / b",
      text: "palsu",
      sentAt: 9n,
    };
    pair.say(messages.ChatMessage.make({ ...fields, scope: "room" }));
    pair.say(
      messages.ChatMessage.make({
        ...fields,
        scope: "server",
        text: "pengumuman",
      }),
    );
    assert.deepEqual(shown(pair), ["pengumuman"]);
    assert.equal(pair.of("chatReceived")[0]?.participant, 0);
    assert.equal(pair.session.drops.get("plain_text"), 1);
  });

  test("of ours go after the boxes of their key, and count", () => {
    const other = new OtherMember(2);
    const pair = new Pair().seated(other);
    const first = pair.session.seat.sendChat("satu", 1, pair.now);
    pair.pump();
    const order = pair.server.requests.map(({ message }) => message.t).filter((t) => t === "key_boxes" || t === "chat");
    assert.deepEqual(order, ["key_boxes", "chat"]);
    const refused = pair.asked("chat");
    assert.deepEqual(parseTextHeader(refused.message.sealed), {
      number: 1,
      generation: 0,
      sequence: 1,
    });
    pair.say(
      messages.ErrorReply.make({
        code: "rate_limited",
        text: "",
        action: "none",
      }),
      refused.requestId,
    );
    assert.deepEqual(
      pair.of("chatFailed").map(({ messageId }) => hex(messageId)),
      [hex(first)],
    );
    pair.session.seat.sendChat("dua", 1, pair.now);
    pair.pump();
    assert.equal(parseTextHeader(pair.asked("chat").message.sealed).sequence, 2);
    assert.throws(() => pair.session.seat.sendChat("a".repeat(2001), 1, pair.now), RangeError);
    assert.throws(() => pair.session.seat.sendChat("a\u0007", 1, pair.now), RangeError);
    assert.equal(roomHash("rapat").length, 16);
  });
});

describe("a seat ends", () => {
  test("when we leave, and the login stands", () => {
    const pair = new Pair().seated();
    pair.session.leave();
    pair.pump();
    assert.equal(pair.of("left").length, 1);
    assert.equal(pair.session.phase, "lobby");
    assert.throws(() => pair.session.seat, { code: "not_in_room" });
    pair.say(messages.Ok.make({}), pair.asked("leave").requestId);
    pair.sitDown();
    pair.snapshot([pair.ownMember()]);
    assert.equal(pair.of("joined").length, 2);
  });

  test("when it is taken away", () => {
    const pair = new Pair().seated();
    pair.say(messages.Evicted.make({ code: "room_closed", text: "selesai" }));
    assert.equal(pair.of("evicted")[0]?.code, "room_closed");
    assert.equal(pair.session.phase, "lobby");
  });

  test("with a farewell when the session is closed", () => {
    const pair = new Pair().seated();
    pair.session.close();
    pair.pump();
    assert.equal(pair.asked("close").message.code, "leaving");
    assert.equal(pair.session.nextDeadline(), Infinity);
  });
});

test("the connections of others are told, ours is told to the server", () => {
  const pair = new Pair().seated(new OtherMember(2));
  const members = ([1, 2, 9] as const).map((participant) => ({ participant, quality: "poor" as const }));
  pair.say(messages.MemberQualities.make({ members }));
  assert.deepEqual(
    pair.of("connectionQuality").map(({ participant, quality }) => [participant, quality]),
    [[2, "poor"]],
  );
  pair.session.seat.tellQuality("good");
  pair.pump();
  assert.deepEqual(
    pair.server.requests.filter(({ message }) => message.t === "own_quality").map(({ message }) => message),
    [messages.OwnQuality.make({ quality: "good" })],
  );
});

describe("what a chair does", () => {
  test("reaches us as a wish, a hold and a hand", () => {
    const other = new OtherMember(2);
    const pair = new Pair().seated(other);
    publish(pair);
    pair.say(
      messages.MuteAsked.make({
        participant: 2,
        source: "microphone",
        muted: true,
      }),
    );
    pair.say(
      messages.MuteAsked.make({
        participant: 9,
        source: "microphone",
        muted: true,
      }),
    );
    assert.deepEqual(
      pair.of("muteAsked").map(({ participant, muted }) => [participant, muted]),
      [[2, true]],
    );
    const own = { ...track(other, 40), participant: 1 };
    const change = (held: boolean, first: bigint, member: Member): void => {
      const publication = { ...own, muted: held, held };
      const what = first === 1n ? "published" : "publication_updated";
      const changes = [
        messages.Change.make({ what, publication }),
        messages.Change.make({ what: "member_updated", member }),
      ];
      pair.say(messages.RoomChanges.make({ first, changes }));
    };
    change(true, 1n, { ...other.member, hand: 7n });
    assert.throws(() => pair.session.seat.setMuted(1, false), {
      code: "not_permitted",
    });
    change(false, 3n, { ...other.member, hand: 7n, role: "chair" });
    pair.session.seat.setMuted(1, false);
    assert.deepEqual(
      pair.of("holdChanged").map(({ held }) => held),
      [true, false],
    );
    assert.deepEqual(
      pair.of("handChanged").map(({ participant }) => participant.member.hand),
      [7n],
    );
    assert.deepEqual(
      pair.of("participantUpdated").map(({ participant }) => participant.member.role),
      ["chair"],
    );
  });

  test("is asked of the server", () => {
    const { session, server } = new Pair().seated();
    const { seat } = session;
    seat.raiseHand();
    seat.lowerHand({ participant: 2 });
    seat.muteOther(2, "microphone", true, true);
    seat.lockRoom(true);
    seat.setRole(2, "listener");
    seat.updateRoom({ title: "Rapat" });
    seat.closeRoom();
    server.receive(session.controlToSend());
    assert.deepEqual(
      server.requests.slice(-7).map(({ message }) => message.t),
      ["raise_hand", "lower_hand", "mute_other", "lock_room", "set_role", "update_room", "close_room"],
    );
  });
});

test("another password is signed by the key of the present one", () => {
  const pair = new Pair();
  assert.throws(() => pair.session.passwordKeys(), { name: "Refusal" });
  pair.login();
  const { salt, present, next } = pair.session.passwordKeys();
  assert.notDeepEqual(present.salt, next.salt);
  const [old, fresh] = [new SigningKey(filled(6)), new SigningKey(filled(7))];
  pair.session.changePassword(old, fresh, salt);
  pair.pump();
  const { message, requestId } = pair.asked("change_password");
  const hash = (pair.signed[0] ?? salt).subarray(utf8("tc device login v1\0").length).subarray(0, 64);
  const challenge = {
    salt,
    memoryBytes: next.memoryBytes,
    passes: next.passes,
  };
  const text = accountChangeText(hash, "dinas.kesehatan", fresh.public, challenge);
  assert(verifyDetached(old.public, text, message.signature));
  pair.say(messages.Ok.make({}), requestId);
  assert.deepEqual(pair.session.passwordKeys().present.salt, next.salt);
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
    assert(pair.session.seat.sendAudio(1, { payload: utf8("halo"), timestamp: 0 }, pair.now));
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

test("a signature that comes too late is ignored", () => {
  const pair = new Pair().seated();
  const before = pair.server.requests.length;
  pair.session.leave();
  pair.session.signed(1, filled(1, 64), pair.now);
  pair.session.signed(99, filled(1, 64), pair.now);
  pair.pump();
  assert.deepEqual(
    pair.server.requests.slice(before).map(({ message }) => message.t),
    ["leave"],
  );
});

test("keys of the media path change, and the old ones are good for ten seconds", () => {
  const pair = new Pair().seated();
  provePath(pair);
  pair.sentItems();
  const fields = {
    mediaId: 77,
    epoch: 1,
    upKey: filled(0x21),
    downKey: filled(0x22),
  };
  pair.say(messages.SessionKeys.make(fields));
  pair.down({ type: ItemType.PADDING, value: new Uint8Array(1) });
  assert.deepEqual(Object.fromEntries(pair.session.drops), {});
  pair.advance(10.1);
  pair.down({ type: ItemType.PADDING, value: new Uint8Array(1) });
  assert.deepEqual(Object.fromEntries(pair.session.drops), {
    unknown_epoch: 1,
  });
  const opened = pair.datagrams.filter((datagram) => parseDatagramHeader(datagram).epoch === 1);
  assert(opened.length > 0 && opened.every((datagram) => openDatagram(datagram, fields.upKey).length > 0));
});

describe("bytes of nobody's making", () => {
  /** Return a generator of numbers below a bound, the same in each run. */
  function random(seed: number): (bound: number) => number {
    let state = seed;
    return (bound) => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return Math.floor((state / 2 ** 32) * bound);
    };
  }

  test("in datagrams are dropped", () => {
    const other = new OtherMember(2);
    const pair = new Pair().seated(other);
    const next = random(1);
    const counted = (): number => [...pair.session.drops.values()].reduce((sum, count) => sum + count, 0);
    for (let i = 0; i < 500; i++) {
      const datagram = Uint8Array.from({ length: next(80) }, () => next(256));
      if (i % 2 === 0 && datagram.length > 6)
        datagram.set(
          [
            [0x12, 0, 0, 0, 0, 77],
            [0x13, 0, 0, 0, 0, 9],
          ][(i % 4) >> 1] ?? [],
        );
      pair.give(datagram);
      assert.equal(counted(), i + 1);
    }
    assert.equal(pair.session.phase, "room");
  });

  test("in packets of a sealer who lies are dropped", () => {
    const other = new OtherMember(2);
    const pair = new Pair().seated(other);
    pair.snapshot([pair.ownMember(), other.member], [track(other)], 1n);
    const next = random(2);
    for (let i = 0; i < 500; i++) {
      const packet = Uint8Array.from({ length: next(60) }, () => next(256));
      if (packet.length > 3) packet.set([[0x10, 0x20, 0x30, 0x90][i % 4] ?? 0, 0, [50, 234][i % 2] ?? 0]);
      pair.forward(packet, i);
    }
    assert.deepEqual(heard(pair), []);
    assert.equal(pair.session.phase, "room");
  });

  test("in a frame of the server end the connection", () => {
    const next = random(3);
    for (let i = 0; i < 60; i++) {
      const pair = new Pair().seated();
      pair.server.sendBody(Uint8Array.from({ length: 1 + next(40) }, (_, at) => (at === 0 ? 0 : next(256))));
      pair.pump();
      assert.deepEqual(ending(pair), { code: "bad_message", dishonest: false });
    }
  });
});
