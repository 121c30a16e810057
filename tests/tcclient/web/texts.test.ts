// Texts in a session of the page.

import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { hex } from "../../../tcclient/web/src/protocol/bytes.js";
import { roomHash } from "../../../tcclient/web/src/protocol/membership.js";
import * as messages from "../../../tcclient/web/src/protocol/messages.js";
import { SenderKey } from "../../../tcclient/web/src/protocol/sender-key.js";
import { ready } from "../../../tcclient/web/src/protocol/sodium.js";
import { parseTextHeader, sealRoomText, textKey } from "../../../tcclient/web/src/protocol/text.js";
import { OtherMember, Pair, ROOM_LIFE } from "./scripted-server.js";
import { filled } from "./server-end.js";
import { giveKey } from "./scripted-room.js";

before(() => ready);

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
