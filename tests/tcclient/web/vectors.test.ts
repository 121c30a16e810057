// The vectors of PROTOCOL.md, which tcproto has made: each file in both directions, as far as a client has both. Those
// about keys are in a file of their own.

import assert from "node:assert/strict";
import { before, describe, test } from "node:test";

import * as account from "../../../tcclient/web/src/protocol/account.js";
import { openBeacon, unsignedBeacon } from "../../../tcclient/web/src/protocol/beacon.js";
import { concat, fromHex, hex } from "../../../tcclient/web/src/protocol/bytes.js";
import { ControlConnection } from "../../../tcclient/web/src/protocol/control.js";
import * as datagram from "../../../tcclient/web/src/protocol/datagram.js";
import { CryptoFailure, ProtocolError } from "../../../tcclient/web/src/protocol/errors.js";
import * as identity from "../../../tcclient/web/src/protocol/identity.js";
import { formatLink, parseLink } from "../../../tcclient/web/src/protocol/link.js";
import { decode, encode, LoginBegin } from "../../../tcclient/web/src/protocol/messages.js";
import * as names from "../../../tcclient/web/src/protocol/names.js";
import * as packet from "../../../tcclient/web/src/protocol/packet.js";
import * as path from "../../../tcclient/web/src/protocol/path.js";
import { ReplayWindow } from "../../../tcclient/web/src/protocol/replay.js";
import { ready, verifyDetached } from "../../../tcclient/web/src/protocol/sodium.js";
import {
  MAX_CONTROL_BYTES,
  packControl,
  packDatagram,
  parseMessage,
} from "../../../tcclient/web/src/protocol/stream-path.js";
import beacons from "../../vectors/beacons.json";
import datagrams from "../../vectors/datagrams.json";
import handshake from "../../vectors/handshake.json";
import items from "../../vectors/items.json";
import links from "../../vectors/links.json";
import login from "../../vectors/login.json";
import messages from "../../vectors/messages.json";
import namesVectors from "../../vectors/names.json";
import packets from "../../vectors/packets.json";
import refusals from "../../vectors/refusals.json";
import stream from "../../vectors/stream.json";
import windows from "../../vectors/windows.json";
import { plain, without } from "./plain.js";

before(() => ready);

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
