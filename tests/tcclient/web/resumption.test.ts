// A session that goes on with another connection, after it has lost one.

import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { PROBE_PATIENCE } from "../../../tcclient/web/src/core/control.js";
import { accountChangeText, deviceLoginText } from "../../../tcclient/web/src/protocol/account.js";
import { CODES } from "../../../tcclient/web/src/protocol/errors.js";
import { SigningKey } from "../../../tcclient/web/src/protocol/identity.js";
import * as messages from "../../../tcclient/web/src/protocol/messages.js";
import { isCounted, MAX_KEPT_BYTES, SentMessages } from "../../../tcclient/web/src/protocol/resumption.js";
import { ItemType } from "../../../tcclient/web/src/protocol/datagram.js";
import { openKeyBox } from "../../../tcclient/web/src/protocol/sender-key.js";
import { ready, sharedKey, verifyDetached } from "../../../tcclient/web/src/protocol/sodium.js";
import { boxedKey, DISHONEST, ending, provePath, publish } from "./scripted-room.js";
import { OtherMember, Pair, ROOM_LIFE } from "./scripted-server.js";
import { filled, ServerEnd } from "./server-end.js";

before(() => ready);

/** Return how many counted messages the session has sent after its login. */
function said(pair: Pair): number {
  const requests = pair.server.requests.slice(
    pair.server.requests.findIndex(({ message }) => message.t === "login") + 1,
  );
  return requests.filter(({ message }) => isCounted(message)).length;
}

/** Return a session whose connection was lost, in a room with another member, and how much it had said. */
function lost(): { readonly pair: Pair; readonly other: OtherMember; readonly had: number } {
  const other = new OtherMember(2);
  const pair = new Pair().seated(other);
  const had = said(pair);
  pair.lose();
  return { pair, other, had };
}

/** Return the types of what came on the newest connection. */
function heard(pair: Pair): string[] {
  return pair.server.requests.map(({ message }) => message.t);
}

describe("a lost connection", () => {
  test("leaves the seat, once", () => {
    const { pair } = lost();
    pair.lose();
    assert.deepEqual(
      pair.of("detached").map(({ code }) => code),
      [undefined],
    );
    assert.deepEqual([pair.session.phase, pair.session.seated], ["detached", true]);
  });

  test("is noticed within seconds where the network has changed", () => {
    const pair = new Pair().seated();
    pair.session.hintNetworkChanged(pair.now);
    pair.advance(0.1);
    pair.say(messages.Pong.make({ time: 1n }), pair.asked("ping").requestId);
    pair.advance(PROBE_PATIENCE + 0.1);
    assert.equal(pair.session.phase, "room");
    pair.session.hintNetworkChanged(pair.now);
    pair.advance(PROBE_PATIENCE - 0.1);
    assert.equal(pair.session.phase, "room");
    pair.advance(0.2);
    assert.equal(pair.of("detached")[0]?.code, "idle_timeout");
  });

  test("is the end where the server shuts down, and where nobody had a seat", () => {
    const pair = new Pair().seated();
    const close = { code: "shutdown", text: "", action: "reconnect", retryAfterMs: 5000 } as const;
    pair.say(messages.Close.make(close));
    assert.deepEqual(ending(pair), { code: "shutdown", dishonest: false });
    const without = new Pair();
    without.login();
    without.lose();
    assert.deepEqual(ending(without), { code: undefined, dishonest: false });
  });

  test("and a goodbye meanwhile is the end", () => {
    const { pair } = lost();
    pair.session.close();
    pair.pump();
    assert.equal(ending(pair).code, "leaving");
    assert.equal(pair.session.nextDeadline(), Infinity);
  });
});

describe("a resumed seat", () => {
  test("is asked for with a signature of this connection, and with a token of one use", () => {
    const { pair, other, had } = lost();
    pair.resume(had);
    const { message } = pair.asked("resume");
    assert.deepEqual(message.token, filled(0));
    const text = pair.signed.at(-1);
    assert(text !== undefined && verifyDetached(pair.device.public, text, message.deviceSignature));
    const hash = text.subarray("tc device login v1\0".length).subarray(0, 64);
    assert.deepEqual(text, deviceLoginText(hash, "dinas.kesehatan"));
    assert.equal(pair.session.phase, "room");
    assert.equal(pair.of("resumed").length, 1);
    const { participant } = other.member;
    pair.say(messages.MuteAsked.make({ participant, source: "microphone", muted: true }));
    pair.say(messages.Speakers.make({}));
    pair.lose();
    pair.askToResume();
    const again = pair.asked("resume").message;
    assert.deepEqual([again.token, again.lastEvent], [filled(9), message.lastEvent + 1n]);
  });

  test("keeps its members, its publications and its sender key, and proves the new way at once", () => {
    const other = new OtherMember(2);
    const pair = new Pair().seated(other);
    const own = pair.ownMember();
    publish(pair);
    provePath(pair);
    pair.advance(0.1);
    const key = boxedKey(pair, other);
    const [had, events] = [said(pair), pair.events.length];
    pair.lose();
    pair.datagrams.length = 0;
    pair.resume(had);
    assert.deepEqual(
      pair.events.slice(events).map(({ type }) => type),
      ["detached", "serverKey", "resumed"],
    );
    assert.deepEqual(heard(pair), ["resume"]);
    assert(pair.sentItems().some(({ type }) => type === ItemType.PING));
    const third = new OtherMember(3);
    const track = messages.PublicationInfo.make({
      ...{ participant: 1, number: 1, stream: 40, kind: "audio", source: "microphone", codec: "opus" },
    });
    pair.snapshot([own, other.member, third.member], [track], 2n);
    pair.advance(1);
    assert.deepEqual([pair.of("participantLeft"), pair.of("publishFailed")], [[], []]);
    const boxes = pair.server.requests.flatMap(({ message }) => (message.t === "key_boxes" ? message.boxes : []));
    assert.deepEqual(new Set(boxes.map(({ participant }) => participant)), new Set([3]));
    const [box] = boxes;
    assert(box !== undefined);
    const context = { life: ROOM_LIFE, room: "rapat", e2ee: true, sender: own, recipient: third.member };
    const { senderKey } = openKeyBox(context, box.box, sharedKey(own.boxKey, third.boxPrivate));
    assert.deepEqual(senderKey.commitment(), key.commitment());
  });

  test("follows the server to another media id", () => {
    const { pair, had } = lost();
    pair.resume(had, { mediaId: 78 });
    assert.equal(pair.session.seat.path.mediaId, 78);
  });

  test("sends again what the server did not get, before anything new", () => {
    const { pair, had } = lost();
    const asked = [pair.session.seat.raiseHand(), pair.session.seat.lowerHand({})];
    pair.pump();
    pair.resume(had + 1);
    assert.deepEqual(heard(pair), ["resume", "lower_hand"]);
    pair.say(messages.Ok.make({}), pair.asked("lower_hand").requestId);
    assert.deepEqual(
      pair.of("requestDone").map(({ request }) => request),
      [asked[1]],
    );
    pair.session.seat.raiseHand();
    pair.pump();
    assert(pair.asked("raise_hand").requestId > pair.asked("resume").requestId);
  });

  test("changes the password by the connection of the login", () => {
    const { pair, had } = lost();
    pair.resume(had);
    const { salt, next } = pair.session.login.passwordKeys();
    const key = new SigningKey(filled(6));
    pair.session.login.changePassword(key, key, salt);
    pair.pump();
    const hash = (pair.signed[0] ?? salt).subarray("tc device login v1\0".length).subarray(0, 64);
    const challenge = { salt, memoryBytes: next.memoryBytes, passes: next.passes };
    const text = accountChangeText(hash, "dinas.kesehatan", key.public, challenge);
    assert(verifyDetached(key.public, text, pair.asked("change_password").message.signature));
  });

  for (const [what, changes] of [
    ["another seat", { participant: 4711 }],
    ["more messages than we sent", { number: 10_000n }],
  ] as const) {
    test(`is not believed with ${what}`, () => {
      const { pair, had } = lost();
      pair.resume(had, changes);
      assert.deepEqual(ending(pair), DISHONEST);
      assert(!pair.session.seated);
    });
  }

  test("is not believed with the room as it was before", () => {
    const other = new OtherMember(2);
    const pair = new Pair().seated(other);
    pair.snapshot([pair.ownMember(), other.member], [], 5n);
    const [own, had] = [pair.ownMember(), said(pair)];
    pair.lose();
    pair.resume(had);
    pair.snapshot([own, other.member], [], 4n);
    assert.deepEqual(ending(pair), DISHONEST);
  });

  test("is given up where the server lacks what is kept no more", () => {
    const other = new OtherMember(2);
    const pair = new Pair().seated(other);
    publish(pair); // its reply shows that the server has all before it
    pair.lose();
    pair.resume(0);
    assert.deepEqual(ending(pair), { code: undefined, dishonest: false });
    assert(!pair.session.seated);
  });
});

describe("a refused resumption", () => {
  for (const code of ["cannot_resume", "internal", "kicked"] as const) {
    test(`with ${code} ends the seat`, () => {
      const { pair } = lost();
      pair.askToResume();
      const refusal = { code, text: "no", action: CODES[code].action };
      pair.say(messages.ErrorReply.make(refusal), pair.asked("resume").requestId);
      assert(!pair.session.seated);
      if (code === "kicked") {
        assert.equal(pair.of("evicted")[0]?.code, code);
        return;
      }
      assert.equal(pair.of("resumeFailed")[0]?.code, code);
      pair.seated();
      assert.equal(pair.session.phase, "room");
    });
  }

  test("for its rate keeps the seat, for later", () => {
    const { pair, had } = lost();
    pair.askToResume();
    const refusal = { code: "rate_limited", text: "no", action: "none", retryAfterMs: 1500 } as const;
    pair.say(messages.ErrorReply.make(refusal), pair.asked("resume").requestId);
    assert.equal(pair.of("detached").at(-1)?.retryAfterMs, 1500);
    pair.resume(had);
    assert.equal(pair.session.phase, "room");
  });

  test("is our own without a seat, and a login gives up the seat that there is", () => {
    const without = new Pair();
    assert.throws(() => without.session.resume(), { code: "cannot_resume" });
    const { pair } = lost();
    pair.reconnect();
    pair.seated();
    assert.equal(pair.of("joined").length, 2);
  });
});

test("another server in the same place is noticed, though none was expected at first", () => {
  const pair = new Pair({ fingerprint: undefined });
  pair.session.trustServer(pair.now);
  pair.seated();
  pair.lose();
  pair.reconnect(new ServerEnd(filled(0x11)));
  assert.equal(pair.of("wrongServerKey").length, 1);
  assert.deepEqual(ending(pair), { code: "bad_handshake", dishonest: true });
});

describe("messages that were sent", () => {
  const ping = messages.RaiseHand.make({});

  test("are kept up to a size, the newest ones", () => {
    const sent = new SentMessages(100);
    for (let requestId = 1; requestId <= 5; requestId++) sent.add({ message: ping, requestId, size: 30 });
    assert.equal(sent.number, 5);
    assert.deepEqual(
      [0, 1, 2, 5, 6].map((number) => sent.hasAfter(number)),
      [false, false, true, true, false],
    );
    assert.deepEqual(
      sent.after(3).map(({ requestId }) => requestId),
      [4, 5],
    );
    sent.forget(4);
    assert.deepEqual([sent.hasAfter(3), sent.after(4).length, sent.after(5).length], [false, 1, 0]);
    assert.equal(MAX_KEPT_BYTES, 262_144);
  });

  test("are counted unless they are of the moment only", () => {
    assert(isCounted(ping));
    assert(isCounted({ t: undefined, name: "later" }));
    assert(!isCounted(messages.Ping.make({ time: 1n })));
  });
});
