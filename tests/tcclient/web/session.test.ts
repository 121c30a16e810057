// The session of the page against a server that says what no honest server says, and one that does.

import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { CONTROL_PING, MAX_ANSWERED } from "../../../tcclient/web/src/core/control.js";
import { Lives } from "../../../tcclient/web/src/core/membership/lives.js";
import { accountChangeText, accountLoginText, deviceLoginText } from "../../../tcclient/web/src/protocol/account.js";
import { concat, equal, utf8 } from "../../../tcclient/web/src/protocol/bytes.js";
import { ItemType } from "../../../tcclient/web/src/protocol/datagram.js";
import { SigningKey } from "../../../tcclient/web/src/protocol/identity.js";
import * as messages from "../../../tcclient/web/src/protocol/messages.js";
import { SenderKey } from "../../../tcclient/web/src/protocol/sender-key.js";
import { publicOf, ready, verifyDetached } from "../../../tcclient/web/src/protocol/sodium.js";
import { OtherMember, Pair } from "./scripted-server.js";
import { filled, serverFingerprint, STATIC } from "./server-end.js";
import { DISHONEST, ending, heard, publish, sound, track } from "./scripted-room.js";

before(() => ready);

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
  test("a server is answered no more often than one that waits for answers", () => {
    const pair = new Pair();
    pair.login();
    const pongs = () => pair.server.requests.filter(({ message }) => message.t === "pong").length;
    for (let id = 1; id <= 200; id++) pair.say(messages.Ping.make({ time: 0n }), id);
    assert.equal(pongs(), MAX_ANSWERED);
    pair.advance(CONTROL_PING);
    pair.say(messages.Ping.make({ time: 0n }), 201);
    assert.equal(pongs(), MAX_ANSWERED + 1);
  });

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

test("another password is signed by the key of the present one", () => {
  const pair = new Pair();
  assert.throws(() => pair.session.login.passwordKeys(), { name: "Refusal" });
  pair.login();
  const { salt, present, next } = pair.session.login.passwordKeys();
  assert.notDeepEqual(present.salt, next.salt);
  const [old, fresh] = [new SigningKey(filled(6)), new SigningKey(filled(7))];
  pair.session.login.changePassword(old, fresh, salt);
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
  assert.deepEqual(pair.session.login.passwordKeys().present.salt, next.salt);
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

  test("in items that the server has sealed for us are ignored", () => {
    const next = random(4);
    const types = Object.values(ItemType);
    for (let run = 0; run < 20; run++) {
      const pair = new Pair().seated(new OtherMember(2));
      publish(pair);
      for (let i = 0; i < 200; i++) {
        const items = Array.from({ length: 1 + next(3) }, () => ({
          type: types[next(types.length)] ?? 1,
          value: Uint8Array.from({ length: next(40) }, () => (next(3) === 0 ? 255 * next(2) : next(256))),
        }));
        pair.down(...items);
        if (next(10) === 0) pair.advance(next(20) / 100);
      }
      assert.equal(pair.session.phase, "room");
    }
  });

  test("in packets that a member has sealed do no harm", () => {
    const next = random(5);
    const other = new OtherMember(2);
    const pair = new Pair().seated(other);
    pair.snapshot([pair.ownMember(), other.member], [track(other)], 1n);
    const key = new SenderKey(0, 0, filled(1));
    for (let i = 0; i < 2000; i++) {
      const packet = sound(key, i, "halo");
      for (let bits = next(3); bits > 0; bits--) {
        const at = next(packet.length);
        packet[at] = (packet[at] ?? 0) ^ (1 << next(8));
      }
      pair.forward(packet.subarray(0, next(4) === 0 ? next(packet.length) : packet.length), next(65_536));
      if (next(50) === 0) pair.advance(next(20) / 100);
    }
    assert.equal(pair.session.phase, "room");
  });

  test("in messages of the server are ignored, or end the connection with one reason", () => {
    const next = random(6);
    const other = new OtherMember(2);
    for (let run = 0; run < 150; run++) {
      const pair = new Pair().seated(other);
      publish(pair);
      const said: readonly messages.Message[] = [
        messages.Speakers.make({ started: [2], stopped: [3], dominant: 2 }),
        messages.KeyframeRequest.make({ stream: 40 }),
        messages.MuteAsked.make({ participant: 2, source: "microphone", muted: true }),
        messages.KeyReceipts.make({ receipts: [{ participant: 2, key: 1 }] }),
        messages.KeyBoxes.make({ boxes: [{ participant: 2, box: filled(9, 200) }] }),
        messages.SealerClosed.make({ sealer: 5 }),
        messages.RoomChanges.make({
          first: 1n,
          changes: [
            messages.Change.make({ what: "member_updated", member: other.member }),
            messages.Change.make({ what: "published", publication: track(other) }),
          ],
        }),
      ];
      for (let i = 0; i < 30 && pair.session.phase === "room"; i++) {
        const message = said[next(said.length)];
        assert(message !== undefined);
        const body = messages.encode(message);
        for (let bits = next(4); bits > 0; bits--) {
          const at = next(body.length);
          body[at] = next(2) === 0 ? next(256) : (body[at] ?? 0) ^ (1 << next(8));
        }
        pair.server.sendBody(concat(Uint8Array.of(0), body));
        pair.pump();
        if (next(5) === 0 && pair.session.phase === "room") pair.advance(next(30) / 100);
      }
      assert.equal(pair.of("closed").length, pair.session.phase === "closed" ? 1 : 0);
    }
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
