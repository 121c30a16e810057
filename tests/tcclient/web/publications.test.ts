// Our publications: what becomes of frames, and when they leave.

import assert from "node:assert/strict";
import { before, test } from "node:test";

import { Drops } from "../../../tcclient/web/src/core/drops.js";
import { BARE, type SealingKey } from "../../../tcclient/web/src/core/keys/own-key.js";
import { Egress, PACED_BURST, PACED_INTERVAL } from "../../../tcclient/web/src/core/path/egress.js";
import { MAX_AUDIO_PAYLOAD, NOT_WANTED, Publications } from "../../../tcclient/web/src/core/media/publications.js";
import { concat } from "../../../tcclient/web/src/protocol/bytes.js";
import { openDatagram, parseItems } from "../../../tcclient/web/src/protocol/datagram.js";
import { isVideo, MAX_PACKET, openPacket, parseHeader } from "../../../tcclient/web/src/protocol/packet.js";
import { Interest } from "../../../tcclient/web/src/protocol/messages.js";
import { ready } from "../../../tcclient/web/src/protocol/sodium.js";
import { filled } from "./server-end.js";

before(() => ready);

const UP_KEY = filled(1);

/** Publications of one seat, with a microphone (1) and a camera of two layers (2) that have streams. */
function published(sealingKey: () => SealingKey | undefined = () => BARE) {
  const drops = new Drops();
  const egress = new Egress({ mediaId: 7, epoch: 0, upKey: UP_KEY }, drops);
  const clocks: boolean[] = [];
  const publications = new Publications({
    sealingKey,
    egress,
    clockChanged: (_, isFirst) => clocks.push(isFirst),
    spoke: () => undefined,
    drops,
  });
  publications.add(
    publications.announce({
      kind: "audio",
      source: "microphone",
      codec: "opus",
    }),
  );
  publications.add(
    publications.announce({
      kind: "video",
      source: "camera",
      codec: "vp8",
      layers: 2,
    }),
  );
  publications.accepted(1, 40, 0);
  publications.accepted(2, 41, 0);
  return { publications, egress, drops, clocks };
}

/** Return the packets of datagrams. */
function packets(datagrams: readonly Uint8Array[]): Uint8Array[] {
  return datagrams.flatMap((datagram) => parseItems(openDatagram(datagram, UP_KEY)).map(({ value }) => value));
}

/** Return everything that leaves, at the pace at which it may. */
function everything(egress: Egress, now: number): Uint8Array[] {
  const all = egress.take(now);
  for (let i = 1; egress.nextDeadline < Infinity; i++) all.push(...egress.take(now + i * 2 * PACED_INTERVAL));
  return all;
}

const picture = (size: number): Uint8Array => Uint8Array.from({ length: size }, (_, i) => i % 251);

test("a picture is cut into packets of one size, and comes together again", () => {
  const { publications, egress } = published();
  const data = picture(5000);
  assert.equal(publications.sendVideo(2, { data, timestamp: 2 ** 32 + 5, keyframe: true, spatial: 1 }, 1), 5);
  const found = packets(everything(egress, 1));
  assert.equal(new Set(found.map(({ length }) => length)).size, 1);
  assert(found.every(({ length }) => length <= MAX_PACKET));
  const headers = found.map((packet) => parseHeader(packet));
  assert(headers.every(isVideo));
  assert.deepEqual(
    headers.map(({ sequence, packetIndex, packetCount, spatial, timestamp, reference }) => [
      sequence,
      packetIndex,
      packetCount,
      spatial,
      timestamp,
      reference,
    ]),
    [0, 1, 2, 3, 4].map((i) => [i, i, 5, 1, 5, 0]),
  );
  assert.deepEqual(concat(...found.map((packet) => openPacket(packet, undefined))), data);
});

test("layers count their packets and frames for themselves", () => {
  const { publications, egress } = published();
  const frame = { data: picture(2000), timestamp: 0, keyframe: true };
  publications.sendVideo(2, { ...frame, spatial: 0 }, 1);
  publications.sendVideo(2, { ...frame, spatial: 1 }, 1);
  publications.sendVideo(2, { ...frame, spatial: 1, keyframe: false, reference: 1 }, 1);
  const headers = packets(everything(egress, 1)).map((packet) => parseHeader(packet));
  assert(headers.every(isVideo));
  assert.deepEqual(
    headers.map(({ spatial, sequence, frameId }) => [spatial, sequence, frameId]),
    [
      [0, 0, 0],
      [0, 1, 0],
      [1, 0, 0],
      [1, 1, 0],
      [1, 2, 1],
      [1, 3, 1],
    ],
  );
  assert.deepEqual(publications.firstSequences(), [
    { publication: 2, spatial: 0, sequence: 2 },
    { publication: 2, spatial: 1, sequence: 4 },
  ]);
});

test("after a frame that was not sent a keyframe is asked for, and nothing else goes", () => {
  let key: SealingKey | undefined;
  const { publications, egress } = published(() => key);
  const frame = { data: picture(100), timestamp: 0, keyframe: false };
  assert.equal(publications.sendVideo(2, { ...frame, keyframe: true }, 1), 0);
  key = BARE;
  assert.deepEqual(publications.takeReady(), [1, 2]);
  assert.deepEqual(publications.takeReady(), []);
  assert.equal(publications.sendVideo(2, frame, 2), 0);
  assert.deepEqual(publications.keyframes.take(2), [{ id: 2, spatial: 0 }]);
  publications.keyframes.ask({ id: 2, spatial: 0 }, 2.1);
  assert.deepEqual([publications.keyframes.take(2.9), publications.keyframes.nextDeadline], [[], 3]);
  assert.equal(publications.sendVideo(2, { ...frame, keyframe: true }, 2.5), 1);
  assert.equal(publications.sendVideo(2, frame, 2.6), 1);
  assert.equal(egress.take(3).length, 2);
});

test("a large picture leaves in bursts, and sound does not wait for them", () => {
  const { publications, egress } = published();
  publications.sendVideo(2, { data: picture(40_000), timestamp: 0, keyframe: true }, 1);
  assert.equal(egress.take(1).length, PACED_BURST);
  publications.sendAudio(1, { payload: picture(60), timestamp: 0 }, 1.001);
  assert.equal(egress.take(1.001).length, 1);
  assert.equal(egress.nextDeadline, 1 + PACED_INTERVAL);
  assert.equal(egress.take(1 + PACED_INTERVAL).length, PACED_BURST);
});

test("what is muted, ended or out of range is not sent", () => {
  const { publications, egress } = published();
  const sound = { payload: picture(60), timestamp: 0 };
  const live = publications.live.get(1);
  assert(live !== undefined);
  live.muted = true;
  assert(!publications.sendAudio(1, sound, 1));
  live.muted = false;
  assert(publications.sendAudio(1, sound, 1));
  assert.throws(() => publications.sendAudio(2, sound, 1), RangeError);
  assert.throws(() => publications.sendAudio(1, { ...sound, payload: picture(MAX_AUDIO_PAYLOAD + 1) }, 1), RangeError);
  assert.throws(() => publications.sendAudio(1, { ...sound, level: 128 }, 1), RangeError);
  assert.throws(() => publications.sendVideo(2, { data: picture(0), timestamp: 0, keyframe: true }, 1), RangeError);
  publications.forget(1, 1);
  assert(!publications.sendAudio(1, sound, 1));
  assert.equal(egress.take(2).length, 1);
});

test("a clock that moves is told", () => {
  const { publications, clocks } = published();
  const say = (timestamp: number, now: number): boolean =>
    publications.sendAudio(1, { payload: picture(60), timestamp }, now);
  say(2 ** 32 - 960, 1);
  say(2 ** 32, 1.02);
  say(960, 1.045);
  assert.deepEqual(clocks, [true]);
  say(1920, 1.2);
  assert.deepEqual(clocks, [true, false]);
  assert.deepEqual(publications.clocks(), [{ stream: 40, timestamp: 1920, time: 1_200_000 }]);
});

test("a counter at its end sends nothing more", () => {
  const { publications, egress, drops } = published();
  egress.counter = 2 ** 48;
  publications.sendAudio(1, { payload: picture(60), timestamp: 0 }, 1);
  assert.deepEqual(egress.take(1), []);
  assert.deepEqual([...drops.counts], [["counter_spent", 1]]);
});

test("which layers others want is told of pictures of ours alone", () => {
  const { publications } = published();
  const layer = (stream: number, spatial: number, maxTemporal: number, wanted: boolean) => ({
    stream,
    spatial,
    maxTemporal,
    wanted,
  });
  const layers = [layer(40, 0, 0, true), layer(41, 1, 7, true), layer(41, 0, 0, false), layer(99, 0, 0, true)];
  assert.deepEqual(publications.layersWanted(Interest.make({ layers })), [{ number: 2, layers: [NOT_WANTED, 7] }]);
});
