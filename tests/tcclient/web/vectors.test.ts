// The vectors of PROTOCOL.md, which tcproto has made: each file in both directions, as far as a client has both.

import assert from "node:assert/strict";
import { before, describe, test } from "node:test";

import * as account from "../../../tcclient/web/src/protocol/account.js";
import { openBeacon, unsignedBeacon } from "../../../tcclient/web/src/protocol/beacon.js";
import { concat, fromHex, hex } from "../../../tcclient/web/src/protocol/bytes.js";
import { ControlConnection } from "../../../tcclient/web/src/protocol/control.js";
import * as datagram from "../../../tcclient/web/src/protocol/datagram.js";
import { CryptoFailure, ProtocolError } from "../../../tcclient/web/src/protocol/errors.js";
import * as identity from "../../../tcclient/web/src/protocol/identity.js";
import { KeyRing } from "../../../tcclient/web/src/protocol/keyring.js";
import { formatLink, parseLink } from "../../../tcclient/web/src/protocol/link.js";
import * as membership from "../../../tcclient/web/src/protocol/membership.js";
import { decode, encode, LoginBegin } from "../../../tcclient/web/src/protocol/messages.js";
import * as names from "../../../tcclient/web/src/protocol/names.js";
import * as packet from "../../../tcclient/web/src/protocol/packet.js";
import * as path from "../../../tcclient/web/src/protocol/path.js";
import { ReplayWindow } from "../../../tcclient/web/src/protocol/replay.js";
import { openKeyBox, type Party, sealKeyBox, SenderKey } from "../../../tcclient/web/src/protocol/sender-key.js";
import { publicOf, ready, sharedKey, verifyDetached } from "../../../tcclient/web/src/protocol/sodium.js";
import {
  MAX_CONTROL_BYTES,
  packControl,
  packDatagram,
  parseMessage,
} from "../../../tcclient/web/src/protocol/stream-path.js";
import * as texts from "../../../tcclient/web/src/protocol/text.js";
import beacons from "../../vectors/beacons.json";
import datagrams from "../../vectors/datagrams.json";
import generations from "../../vectors/generations.json";
import handshake from "../../vectors/handshake.json";
import items from "../../vectors/items.json";
import keys from "../../vectors/keys.json";
import links from "../../vectors/links.json";
import login from "../../vectors/login.json";
import messages from "../../vectors/messages.json";
import namesVectors from "../../vectors/names.json";
import packets from "../../vectors/packets.json";
import refusals from "../../vectors/refusals.json";
import stream from "../../vectors/stream.json";
import textVectors from "../../vectors/texts.json";
import windows from "../../vectors/windows.json";

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

/** Return a value with names as they are on the wire, and bytes as hexadecimal digits. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return hex(value);
  if (typeof value === "bigint") return Number(value);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  const wire = (key: string) => key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  const fields = Object.entries(value).filter(([, field]) => field !== undefined);
  return Object.fromEntries(fields.map(([key, field]) => [wire(key), plain(field)]));
}

/** Return the same without some of its fields. */
function without(value: object, ...keys: readonly string[]): unknown {
  return Object.fromEntries(Object.entries(value).filter(([key]) => !keys.includes(key)));
}

test("handshake", () => {
  const client = new ControlConnection("vector client", fromHex(handshake.client_ephemeral_private));
  assert.equal(hex(client.dataToSend()), handshake.first_frame);
  client.receiveData(fromHex(handshake.second_frame));
  const completed = client.nextEvent();
  assert(completed?.type === "handshakeCompleted");
  assert.equal(hex(completed.handshakeHash), handshake.handshake_hash);
  assert.equal(hex(completed.remoteStatic), handshake.server_static_public);
  client.request(LoginBegin.make({ account: login.account }));
  assert.equal(hex(client.dataToSend()), handshake.client_frame);
  client.receiveData(fromHex(handshake.server_frame + handshake.close_frame));
  const [replied, closed] = [client.nextEvent(), client.nextEvent()];
  assert(replied?.type === "replied" && replied.reply.t === "login_challenge");
  assert.equal(hex(replied.reply.salt), login.salt);
  assert(closed?.type === "received" && closed.message.t === "close");
  assert.deepEqual([closed.message.code, closed.message.action], ["login_timeout", "reconnect"]);
});

test("handshake with a byte changed", () => {
  for (const place of [2, 40, 90, 149]) {
    const client = new ControlConnection("vector client", fromHex(handshake.client_ephemeral_private));
    const frame = fromHex(handshake.second_frame);
    frame[place] = (frame[place] ?? 0) ^ 1;
    client.receiveData(frame);
    assert.throws(() => client.nextEvent(), {
      name: "ProtocolError",
      code: "bad_handshake",
    });
  }
});

test("fingerprint", () => {
  const found = identity.fingerprint(fromHex(handshake.server_static_public));
  assert.equal(hex(found), handshake.fingerprint);
  assert.equal(identity.formatFingerprint(found), handshake.fingerprint_text);
  assert.deepEqual(identity.parseFingerprint(handshake.fingerprint_text.replaceAll("-", "").toUpperCase()), found);
  assert.throws(() => identity.parseFingerprint(handshake.fingerprint_text.slice(1)), RangeError);
});

test("login", () => {
  const salt = account.effectiveSalt(fromHex(handshake.server_static_public), login.account, fromHex(login.salt));
  assert.equal(hex(salt), login.effective_salt);
  const key = account.deriveAccountKey(login.password, salt, login.memory_kib * 1024, login.passes);
  assert.equal(hex(key.public), login.account_public);
  const [hash, device] = [fromHex(login.handshake_hash), new identity.SigningKey(fromHex(login.device_seed))];
  assert.equal(hex(key.sign(account.accountLoginText(hash, device.public, login.account))), login.account_signature);
  assert.equal(hex(device.sign(account.deviceLoginText(hash, login.account))), login.device_signature);
  const changed = {
    salt: fromHex(login.new_salt),
    memoryBytes: login.new_memory_bytes,
    passes: login.new_passes,
  };
  const change = account.accountChangeText(hash, login.account, fromHex(login.new_public), changed);
  assert.equal(hex(key.sign(change)), login.change_signature);
  const cheap = () => account.deriveAccountKey(login.password, salt, login.memory_kib * 512, login.passes);
  assert.throws(cheap, CryptoFailure);
});

describe("messages", () => {
  for (const vector of messages.messages) {
    test(vector.t, () => {
      const { message, requestId } = decode(fromHex(vector.bytes));
      assert(message.t !== undefined);
      assert.deepEqual([message.t, requestId], [vector.t, vector.request_id]);
      assert.deepEqual(plain(without(message, "t")), plain(vector.fields));
      assert.equal(hex(encode(message, requestId)), vector.bytes);
    });
  }
});

describe("refusals", () => {
  for (const vector of refusals.messages) {
    test(vector.name, () => {
      const read = () => decode(fromHex(vector.bytes));
      if (vector.taken) assert.doesNotThrow(read);
      else assert.throws(read, (error) => error instanceof ProtocolError && error.code === "bad_message");
    });
  }
});

describe("links", () => {
  for (const vector of links.links) {
    test(vector.text, () => {
      const link = parseLink(vector.text);
      assert.deepEqual(plain({ ...link, fingerprint: link.fingerprint ?? null }), without(vector, "text"));
      assert.equal(formatLink(link), vector.text);
    });
  }
  for (const text of links.refused) test(`refuses ${text}`, () => assert.throws(() => parseLink(text), RangeError));
});

describe("names", () => {
  const folds = {
    accounts: names.foldAccount,
    rooms: names.foldRoom,
    display_names: names.cleanDisplay,
  };
  for (const [kind, fold] of Object.entries(folds)) {
    for (const { typed, folded } of namesVectors[kind as keyof typeof folds]) {
      test(`${kind}: ${JSON.stringify(typed)}`, () => {
        if (folded === null) assert.throws(() => fold(typed), RangeError);
        else assert.deepEqual([fold(typed), fold(folded)], [folded, folded]);
      });
    }
  }
});

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

describe("packets", () => {
  for (const vector of packets.packets) {
    test(vector.name, () => {
      const data = fromHex(vector.packet);
      const header = packet.parseHeader(data);
      assert.equal(header.type, vector.type);
      assert.deepEqual(plain(vector.type <= 2 ? without(header, "type") : header), vector.header);
      const key = vector.key === null ? undefined : fromHex(vector.key);
      const payload = packet.openPacket(data, key);
      assert.equal(hex(payload), vector.payload);
      assert.deepEqual(packet.sealPacket(header, payload, key, vector.step), data);
      if (key === undefined) return;
      data[data.length - 1] = (data.at(-1) ?? 0) ^ 1;
      assert.throws(() => packet.openPacket(data, key), CryptoFailure);
    });
  }
});

describe("beacons", () => {
  for (const vector of beacons.beacons) {
    test(vector.name, () => {
      const context = {
        fingerprint: fromHex(beacons.fingerprint),
        life: fromHex(beacons.life),
        boxKey: fromHex(beacons.box_public),
      };
      const [data, device] = [fromHex(vector.packet), fromHex(beacons.device_public)];
      const beacon = openBeacon(data, context, device);
      assert.deepEqual(plain(beacon), vector.beacon);
      const { stream, sequence, timestamp } = vector;
      const made = unsignedBeacon(beacon, stream, sequence, timestamp, context);
      const signature = new identity.SigningKey(fromHex(beacons.device_seed)).sign(made.signed);
      assert.deepEqual(concat(made.front, signature), data);
      assert(verifyDetached(device, made.signed, signature));
      assert.throws(() => openBeacon(data, { ...context, life: new Uint8Array(16) }, device), CryptoFailure);
    });
  }
});

describe("items", () => {
  const parsers: Record<string, (value: Uint8Array) => unknown> = {
    ping: path.parsePing,
    pong: path.parsePong,
    positions: path.parsePositions,
  };
  const used = items.items.filter(({ name }) => name in parsers);
  test("the items that are used are there", () => assert.equal(used.length, Object.keys(parsers).length));
  for (const vector of used) {
    test(vector.name, () => {
      const parse = parsers[vector.name];
      const parsed = parse?.(fromHex(vector.value));
      assert.deepEqual(plain(parsed), vector.fields);
      assert.throws(() => parse?.(fromHex(vector.value).subarray(1)), RangeError);
      if (vector.name === "ping") assert.equal(hex(path.packPing(parsed as path.PingItem)), vector.value);
      if (vector.name === "pong") assert.equal(hex(path.packPong(parsed as path.PongItem)), vector.value);
    });
  }
});

describe("datagrams", () => {
  for (const vector of datagrams.datagrams) {
    test(vector.name, () => {
      const [data, key] = [fromHex(vector.datagram), fromHex(vector.key)];
      const header = datagram.parseDatagramHeader(data);
      const { kind, epoch, id, counter } = vector;
      assert.deepEqual(header, { version: 1, kind, epoch, id, counter });
      const plaintext = datagram.openDatagram(data, key);
      const start = vector.relay_time === null ? 0 : datagram.RELAY_TIME_SIZE;
      if (start > 0) assert.equal(datagram.parseRelayTime(plaintext), vector.relay_time);
      const found = datagram.parseItems(plaintext, start);
      assert.deepEqual(plain(found), vector.items);
      const packed = concat(plaintext.subarray(0, start), datagram.packItems(found, vector.open_end));
      assert.deepEqual(packed, plaintext);
      assert.deepEqual(datagram.sealDatagram(datagram.packDatagramHeader(kind, epoch, id, counter), packed, key), data);
    });
  }
});

describe("windows", () => {
  for (const vector of windows.windows) {
    test(vector.name, () => {
      const window = new ReplayWindow(vector.size, vector.lowest, vector.confirmed ?? undefined);
      for (const step of vector.steps as readonly {
        counter?: number;
        accepted?: boolean;
        position?: number;
      }[]) {
        if (step.position !== undefined) window.confirm(step.position);
        if (step.counter === undefined) continue;
        assert.equal(window.check(step.counter) === "new", step.accepted, `counter ${step.counter}`);
        if (step.accepted === true) window.commit(step.counter);
      }
    });
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

describe("stream path", () => {
  for (const vector of stream.messages) {
    test(vector.name, () => {
      const message = fromHex(vector.message);
      if (vector.close !== undefined) {
        assert.throws(() => parseMessage(message), {
          name: "StreamPathError",
          code: vector.close,
        });
        return;
      }
      const { kind, rest } = parseMessage(message);
      assert.deepEqual([kind, hex(rest)], [["control", "datagram"][vector.kind ?? -1], vector.rest]);
      assert.deepEqual(kind === "control" ? packControl(rest) : [packDatagram(rest)], [message]);
    });
  }

  test("long bytes of the control connection are cut, and longer messages refused", () => {
    const pieces = packControl(new Uint8Array(2 * MAX_CONTROL_BYTES + 5));
    assert.deepEqual(
      pieces.map(({ length }) => length),
      [MAX_CONTROL_BYTES + 1, MAX_CONTROL_BYTES + 1, 6],
    );
    assert.throws(() => parseMessage(new Uint8Array(MAX_CONTROL_BYTES + 2)), {
      code: 1009,
    });
  });
});
