import assert from "node:assert/strict";
import { test } from "node:test";

import {
  FrameAssembler,
  MAX_BYTES,
  MAX_FRAMES,
  PATIENCE,
  type PictureHeader,
} from "../../../tcclient/web/src/media/assembly.js";
import { ENOUGH, MAX_REQUEST_INTERVAL, References } from "../../../tcclient/web/src/media/references.js";
import { Pace } from "../../../tcclient/web/src/media/layer-encoder.js";
import { seeded } from "./random.js";

interface Packet {
  readonly header: PictureHeader;
  readonly payload: Uint8Array;
}

/** Cut frames of three packets, each of which refers to the one before; frame 0 is a keyframe. */
function film(frames: number, start = 0, sequence = 0): Packet[] {
  return Array.from({ length: 3 * frames }, (_, i) => {
    const n = Math.floor(i / 3);
    return packet({
      sequence: (sequence + i) >>> 0,
      timestamp: (n * 3_600) >>> 0,
      keyframe: n === 0,
      frameId: (start + n) & 0xffff,
      packetIndex: i % 3,
      reference: n === 0 ? 0 : 1,
    });
  });
}

function packet(more: Partial<PictureHeader>, size = 4): Packet {
  const header = {
    sequence: 0,
    timestamp: 0,
    keyframe: true,
    temporal: 0,
    frameId: 0,
    packetIndex: 0,
    packetCount: 3,
    reference: 0,
    ...more,
  };
  return { header, payload: new Uint8Array(size).fill(header.packetIndex + 1) };
}

function feed(assembler: FrameAssembler, packets: Packet[], now = 0): number[] {
  return packets.flatMap(({ header, payload }) =>
    assembler.push(header, payload, now).map((picture) => picture.header.frameId),
  );
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);

test("frames come whole, in order, with their data in order", () => {
  const assembler = new FrameAssembler();
  const [a, b, c] = film(1) as [Packet, Packet, Packet];
  assert.deepEqual(feed(assembler, [c, a]), []);
  const [picture] = assembler.push(b.header, b.payload, 0);
  assert.deepEqual([...(picture?.data ?? [])], [1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3]);
  assert.equal(picture?.header.sequence, 0);
});

test("shuffled packets of a window make all frames in order", () => {
  const random = seeded(5);
  const packets = film(200, 65_500)
    .map((entry, i) => ({ entry, key: i + 6 * random() }))
    .sort((a, b) => a.key - b.key)
    .map(({ entry }) => entry);
  const assembler = new FrameAssembler();
  assert.deepEqual(
    feed(assembler, packets),
    range(65_500, 65_700).map((id) => id & 0xffff),
  );
  assert.equal(assembler.occupied, 0);
});

test("a frame that misses a packet is given up, and those behind it are set free", () => {
  const assembler = new FrameAssembler();
  const packets = film(4).filter((_, i) => i !== 4);
  assert.deepEqual(feed(assembler, packets), [0]);
  assert.equal(assembler.deadline(), PATIENCE);
  assert.deepEqual(
    assembler.expire(PATIENCE).map((picture) => picture.header.frameId),
    [2, 3],
  );
  assert.equal(assembler.statistics.incomplete, 1);
  assert.equal(assembler.deadline(), Infinity);
});

test("a keyframe waits for nothing", () => {
  const assembler = new FrameAssembler();
  const keyframe = [0, 1, 2].map((packetIndex) => packet({ sequence: 12 + packetIndex, frameId: 4, packetIndex }));
  assert.deepEqual(feed(assembler, [...film(3).slice(0, 5), ...keyframe]), [0, 4]);
});

test("duplicates, late packets and what cannot be are counted and dropped", () => {
  const assembler = new FrameAssembler();
  const packets = film(2);
  feed(assembler, packets.slice(0, 4));
  feed(assembler, packets.slice(3, 4));
  feed(assembler, packets.slice(0, 1));
  for (const wrong of [
    packet({ packetIndex: 3 }),
    packet({}, 0),
    packet({ keyframe: false, reference: 0 }),
    packet({ sequence: 0, frameId: 9 }),
  ]) {
    feed(assembler, [wrong]);
  }
  const contradiction = packets[4] as Packet;
  feed(assembler, [{ ...contradiction, header: { ...contradiction.header, timestamp: 1 } }]);
  assert.deepEqual(feed(assembler, packets.slice(4)), []);
  const { duplicates, late, malformed, inconsistent } = assembler.statistics;
  assert.deepEqual([duplicates, late, malformed, inconsistent], [1, 1, 4, 1]);
});

test("a sender that begins again is followed", () => {
  const assembler = new FrameAssembler();
  feed(assembler, film(10, 100));
  assert.deepEqual(feed(assembler, film(3, 0, 30)), [0, 1, 2]);
  assert.equal(assembler.statistics.restarts, 1);
});

test("frames and bytes that wait are bounded", () => {
  const assembler = new FrameAssembler();
  for (let n = 0; n < 100; n++) feed(assembler, [packet({ sequence: 3 * n, frameId: n })]);
  assert.equal(assembler.statistics.overflow, 100 - MAX_FRAMES);
  const greedy = new FrameAssembler();
  for (let n = 0; n < 10_000; n++) {
    feed(greedy, [packet({ sequence: n, frameId: 1, packetIndex: n, packetCount: 20_000 }, 1_000)]);
    assert.ok(greedy.occupied <= MAX_BYTES);
  }
  assert.ok(greedy.statistics.overflow > 0);
});

function admit(references: References, frameId: number, reference: number, temporal = 0): boolean {
  return references.admit(packet({ frameId, reference, keyframe: reference === 0, temporal }).header);
}

test("a decoder sees a picture only after what it refers to", () => {
  const references = new References();
  assert.equal(admit(references, 4, 1), false);
  assert.equal(admit(references, 65_535, 0), true);
  assert.equal(admit(references, 0, 1), true);
  assert.equal(admit(references, 2, 1), false);
  assert.equal(admit(references, 3, 3), true, "what was lost was not needed");
  references.broken();
  assert.equal(admit(references, 4, 1), false);
});

test("a loss in a discardable layer asks for nothing", () => {
  const references = new References();
  admit(references, 0, 0);
  assert.equal(admit(references, 2, 1, 1), false);
  assert.equal(references.keyframeDue(0), false);
  assert.equal(admit(references, 3, 2, 0), false);
  assert.equal(references.keyframeDue(0), true);
});

test("who is not helped by keyframes asks less and less", () => {
  const references = new References();
  const asked: number[] = [];
  for (let now = 0; now < 60; now += 0.1) if (references.keyframeDue(now)) asked.push(now);
  assert.ok(asked.filter((at) => at < 10).length === 3, String(asked));
  assert.ok((asked[4] ?? 99) - (asked[3] ?? 0) >= MAX_REQUEST_INTERVAL - 0.2, String(asked));
});

test("who is helped may ask again soon", () => {
  const references = new References();
  const asked: number[] = [];
  for (let now = 0, id = 0; now < 10; now += 0.5) {
    if (references.keyframeDue(now)) {
      asked.push(now);
      admit(references, id++, 0);
      for (let i = 1; i < ENOUGH; i++) admit(references, id++, 1);
      references.broken();
    }
  }
  assert.ok(asked.length >= 19, String(asked));
});

test("of a camera at any rate as many pictures are taken as are wanted, evenly", () => {
  for (const [rate, wanted, expected] of [
    [30, 25, 25],
    [60, 25, 25],
    [25, 25, 25],
    [15, 25, 15],
    [30, 15, 15],
    [24, 15, 15],
  ] as const) {
    const pace = new Pace();
    const random = seeded(rate);
    const taken: number[] = [];
    for (let n = 0; n < 20 * rate; n++) {
      const now = 5 + (n + 0.2 * random()) / rate;
      if (pace.take(wanted, now)) taken.push(now);
    }
    assert.ok(
      Math.abs(taken.length - 20 * expected) <= 0.03 * 20 * expected + 1,
      `${rate} for ${wanted}: ${taken.length}`,
    );
    const gaps = taken.slice(1).map((at, i) => at - (taken[i] ?? 0));
    assert.ok(Math.max(...gaps) < 2.3 / Math.min(rate, wanted));
  }
});

test("after a pause the pictures come no faster than is wanted", () => {
  const pace = new Pace();
  assert.ok(pace.take(25, 0));
  const taken = [...Array(30).keys()].filter((n) => pace.take(25, 10 + n / 100));
  assert.ok(taken.length <= 9, `${taken.length} in 0.3 s`);
});
