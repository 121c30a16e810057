// Sound of others in a session of the page, and the way of its datagrams.

import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { hex } from "../../../tcclient/web/src/protocol/bytes.js";
import { ItemType, openDatagram, parseDatagramHeader } from "../../../tcclient/web/src/protocol/datagram.js";
import * as messages from "../../../tcclient/web/src/protocol/messages.js";
import { SenderKey } from "../../../tcclient/web/src/protocol/sender-key.js";
import { ready } from "../../../tcclient/web/src/protocol/sodium.js";
import { OtherMember, Pair } from "./scripted-server.js";
import { filled } from "./server-end.js";
import { giveKey, heard, provePath, sound, track } from "./scripted-room.js";

before(() => ready);

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
