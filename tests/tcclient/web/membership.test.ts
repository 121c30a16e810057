// Who is in the room, as a session of the page sees it: the roster, its beacons, and what a chair does.

import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { Lives } from "../../../tcclient/web/src/core/membership/lives.js";
import { openBeacon, unsignedBeacon } from "../../../tcclient/web/src/protocol/beacon.js";
import { concat } from "../../../tcclient/web/src/protocol/bytes.js";
import { ItemType } from "../../../tcclient/web/src/protocol/datagram.js";
import { memberSetHash, statementText } from "../../../tcclient/web/src/protocol/membership.js";
import * as messages from "../../../tcclient/web/src/protocol/messages.js";
import type { Member } from "../../../tcclient/web/src/protocol/messages.js";
import { PacketType, parseHeader } from "../../../tcclient/web/src/protocol/packet.js";
import { ready, verifyDetached } from "../../../tcclient/web/src/protocol/sodium.js";
import { OtherMember, Pair, ROOM_LIFE } from "./scripted-server.js";
import { filled, serverFingerprint } from "./server-end.js";
import { boxedKey, DISHONEST, ending, provePath, publish, track } from "./scripted-room.js";

before(() => ready);

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

test("the connections of others are told, ours is told to the server", () => {
  const pair = new Pair().seated(new OtherMember(2));
  const members = ([1, 2, 9] as const).map((participant) => ({
    participant,
    quality: "poor" as const,
  }));
  pair.say(messages.MemberQualities.make({ members }));
  assert.deepEqual(
    pair.of("connectionQuality").map(({ participant, quality }) => [participant, quality]),
    [[2, "poor"]],
  );
  pair.session.seat.connections.tell("good");
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
    assert.throws(() => pair.session.seat.publishing.setMuted(1, false), {
      code: "not_permitted",
    });
    change(false, 3n, { ...other.member, hand: 7n, role: "chair" });
    pair.session.seat.publishing.setMuted(1, false);
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
    seat.setAudioOnly(true);
    seat.setRole(2, "listener");
    seat.updateRoom({ title: "Rapat" });
    seat.closeRoom();
    server.receive(session.controlToSend());
    assert.deepEqual(
      server.requests.slice(-8).map(({ message }) => message.t),
      [
        "raise_hand",
        "lower_hand",
        "mute_other",
        "lock_room",
        "set_audio_only",
        "set_role",
        "update_room",
        "close_room",
      ],
    );
  });
});
