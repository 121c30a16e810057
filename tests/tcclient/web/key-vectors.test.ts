// The vectors of PROTOCOL.md about keys, members and texts, in both directions as far as a client has both.

import assert from "node:assert/strict";
import { before, test } from "node:test";

import { fromHex, hex } from "../../../tcclient/web/src/protocol/bytes.js";
import { CryptoFailure } from "../../../tcclient/web/src/protocol/errors.js";
import { KeyRing } from "../../../tcclient/web/src/protocol/keyring.js";
import * as membership from "../../../tcclient/web/src/protocol/membership.js";
import * as packet from "../../../tcclient/web/src/protocol/packet.js";
import { openKeyBox, type Party, sealKeyBox, SenderKey } from "../../../tcclient/web/src/protocol/sender-key.js";
import { publicOf, ready, sharedKey } from "../../../tcclient/web/src/protocol/sodium.js";
import * as texts from "../../../tcclient/web/src/protocol/text.js";
import generations from "../../vectors/generations.json";
import keys from "../../vectors/keys.json";
import textVectors from "../../vectors/texts.json";
import { plain } from "./plain.js";

before(() => ready);

const LIFE = fromHex(keys.life);
const SENDER: Party = {
  deviceKey: fromHex(keys.device_public),
  boxKey: fromHex(keys.box_public),
};
const RECIPIENT: Party = {
  deviceKey: fromHex(keys.other_device_public),
  boxKey: fromHex(keys.other_box_public),
};

test("member statement", () => {
  const statement = {
    fingerprint: fromHex(keys.fingerprint),
    life: LIFE,
    room: keys.room,
    account: keys.account,
    name: keys.name,
    boxKey: SENDER.boxKey,
    signedAt: BigInt(keys.signed_at),
  };
  assert.equal(hex(membership.statementText(statement)), keys.member_statement);
  const signature = fromHex(keys.member_signature);
  assert(membership.verifyMember(statement, signature, SENDER.deviceKey));
  assert(!membership.verifyMember({ ...statement, name: "Siti" }, signature, SENDER.deviceKey));
});

test("sender keys", () => {
  const key = new SenderKey(keys.key_number, 0, fromHex(keys.sender_keys[0] ?? ""));
  keys.sender_keys.forEach((expected, generation) => assert.equal(hex(key.ratcheted(generation).key), expected));
  assert.equal(hex(key.commitment()), keys.commitment);
  for (const { generation, publication, key: expected } of keys.publication_keys) {
    const [number = 0, kind = 0, source = 0] = publication;
    assert.equal(hex(key.ratcheted(generation).publicationKey(LIFE, { number, kind, source })), expected);
  }
  assert.throws(() => key.ratcheted(251), RangeError);
  assert.throws(() => key.ratcheted(3).ratcheted(2), RangeError);
});

test("key box", () => {
  const context = {
    life: LIFE,
    room: keys.room,
    e2ee: true,
    sender: SENDER,
    recipient: RECIPIENT,
  };
  const shared = sharedKey(SENDER.boxKey, fromHex(keys.other_box_private));
  assert.deepEqual(publicOf(fromHex(keys.box_private)), SENDER.boxKey);
  assert.deepEqual(sharedKey(RECIPIENT.boxKey, fromHex(keys.box_private)), shared);
  const box = fromHex(keys.key_box);
  const opened = openKeyBox(context, box, shared);
  assert.deepEqual(opened.senderKey, new SenderKey(keys.key_number, 0, fromHex(keys.sender_keys[0] ?? "")));
  const firsts = opened.firstSequences.map(({ publication, spatial, sequence }) => [publication, spatial, sequence]);
  assert.deepEqual(firsts, keys.first_sequences);
  assert.deepEqual(sealKeyBox(context, opened, shared, box.subarray(0, 24)), box);
  for (const other of [
    { ...context, life: new Uint8Array(16) },
    { ...context, room: "another room" },
    { ...context, e2ee: false },
    { ...context, sender: RECIPIENT, recipient: SENDER },
    { ...context, sender: { ...SENDER, deviceKey: new Uint8Array(32) } },
  ]) {
    assert.throws(() => openKeyBox(other, box, shared), CryptoFailure);
  }
  assert.throws(() => openKeyBox(context, box.subarray(0, -1), shared), CryptoFailure);
});

test("member set and safety code", () => {
  const seats = [
    { account: keys.account, ...SENDER },
    { account: keys.other_account, ...RECIPIENT },
  ];
  assert.equal(hex(membership.memberSetHash(LIFE, keys.room, seats)), keys.member_set_hash);
  const context = {
    life: LIFE,
    room: keys.room,
    e2ee: true,
    fingerprint: fromHex(keys.fingerprint),
  };
  assert.equal(membership.safetyCode(context, [...seats, ...seats]), keys.safety_code);
});

test("texts", () => {
  const key = new SenderKey(keys.key_number, 0, fromHex(keys.sender_keys[0] ?? ""));
  assert.equal(hex(membership.roomHash(textVectors.room)), textVectors.room_hash);
  for (const vector of textVectors.to_room) {
    const header = texts.parseTextHeader(fromHex(vector.sealed));
    const textKey = texts.textKey(key.ratcheted(header.generation), LIFE, SENDER);
    const note = texts.openRoomText(fromHex(vector.sealed), textKey);
    assert.deepEqual(plain({ ...header, ...note, textKey, sealed: vector.sealed }), vector);
    assert.equal(hex(texts.sealRoomText(header, note, textKey)), vector.sealed);
  }
  const context = {
    life: LIFE,
    room: fromHex(textVectors.room_hash),
    sender: SENDER,
    recipient: RECIPIENT,
  };
  const shared = sharedKey(SENDER.boxKey, fromHex(keys.other_box_private));
  for (const vector of textVectors.to_one) {
    const sealed = fromHex(vector.sealed);
    const { sequence, note } = texts.openPrivateText(context, sealed, shared);
    assert.deepEqual(plain({ sequence, ...note, sealed }), vector);
    assert.deepEqual(texts.sealPrivateText(context, sequence, note, shared, sealed.subarray(1, 25)), sealed);
    const backwards = { ...context, sender: RECIPIENT, recipient: SENDER };
    assert.throws(() => texts.openPrivateText(backwards, sealed, shared), CryptoFailure);
  }
});

test("generations", () => {
  const [number = 0, kind = 0, source = 0] = generations.publication;
  const ring = new KeyRing(fromHex(generations.life));
  generations.steps.forEach((step, i) => {
    if ("box" in step && step.box !== undefined) {
      const { number: key, generation, key: bytes, first } = step.box;
      const senderKey = new SenderKey(key, generation, fromHex(bytes));
      const firstSequences = [{ publication: number, spatial: 0, sequence: first }];
      assert.equal(ring.add({ senderKey, firstSequences }, step.at), step.accepted, `step ${i}`);
    } else {
      const data = fromHex(step.packet ?? "");
      const open = () => ring.open(packet.parseHeader(data), data, { number, kind, source }, step.at);
      if (step.opens === true) assert.doesNotThrow(open, `step ${i}`);
      else assert.throws(open, CryptoFailure, `step ${i}`);
    }
  });
});
