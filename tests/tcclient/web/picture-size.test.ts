import assert from "node:assert/strict";
import { test } from "node:test";

import { claimedPixels, MAX_PIXELS, sequenceParameters } from "../../../tcclient/web/src/media/picture-size.js";
import { fromHex } from "../../../tcclient/web/src/protocol/bytes.js";
import { seeded } from "./random.js";

/** Sequence parameters that libx264 has written, and the pixels in whole macroblocks. */
const WRITTEN: readonly (readonly [string, number])[] = [
  ["6742c01eda0280bfe584000003000400000300f23c58ba80", 640 * 368],
  ["67640028acd940780227e5840000030004000afc803c60c658", 1920 * 1088],
  ["67640028acd94078044fdffe008000022000000300200057e403e2c5b2c0", 1920 * 1088],
  ["67f40033919b280780087d0800000300080015f90078c18cb0", 3840 * 2160],
  ["67640034acd9401000121a100000030010002bf200f1831960", 4096 * 2304],
];

const unit = (hex: string): Uint8Array => Uint8Array.of(0, 0, 0, 1, ...fromHex(hex));

function vp8(width: number, height: number): Uint8Array {
  const sides = [width & 255, width >> 8, height & 255, height >> 8];
  return Uint8Array.of(0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, ...sides, 1, 2, 3);
}

/** Write bits of H.264: a string of fixed bits, or a number of the prefix code. */
function written(...parts: readonly (string | number)[]): Uint8Array {
  const bits = parts.map((part) => {
    if (typeof part === "string") return part;
    const binary = (part + 1).toString(2);
    return "0".repeat(binary.length - 1) + binary;
  });
  const all = `${bits.join("")}1`;
  const bytes = Array.from({ length: Math.ceil(all.length / 8) }, (_, i) =>
    parseInt(all.slice(8 * i, 8 * i + 8).padEnd(8, "0"), 2),
  );
  return Uint8Array.of(0, 0, 1, 0x67, ...bytes);
}

const HEAD = "01100100" + "00000000" + "00110011";

test("the size of each keyframe of VP8 is read, whatever it is to be scaled by", () => {
  assert.equal(claimedPixels("vp8", vp8(640, 360)), 640 * 360);
  assert.equal(claimedPixels("vp8", vp8(16_383, 16_383)), 16_383 ** 2);
  assert.equal(claimedPixels("vp8", vp8(0xc000 | 640, 0x4000 | 360)), 640 * 360);
  assert.equal(claimedPixels("vp8", Uint8Array.of(0x11, 0, 0)), 0, "no keyframe");
  assert.equal(claimedPixels("vp8", new Uint8Array(0)), 0);
  assert.equal(claimedPixels("vp8", vp8(640, 360).subarray(0, 9)), Infinity);
  assert.equal(claimedPixels("vp8", Uint8Array.of(0x10, 2, 0, 1, 1, 0x2a, 1, 0, 1, 0)), Infinity);
});

test("the size is read of sequence parameters as encoders write them", () => {
  for (const [hex, pixels] of WRITTEN) assert.equal(claimedPixels("h264", unit(hex)), pixels, hex);
});

test("the largest of all sequence parameters counts, wherever they stand", () => {
  const all = WRITTEN.map(([hex]) => unit(hex));
  const picture = Uint8Array.of(0, 0, 1, 0x41, 9, 9, ...all.flatMap((one) => [...one]), 0, 0, 1, 0x65, 1);
  assert.equal(sequenceParameters(picture).length, all.length);
  assert.equal(claimedPixels("h264", picture), 4096 * 2304);
  assert.equal(claimedPixels("h264", Uint8Array.of(0, 0, 1, 0x41, 9, 9)), 0);
});

test("lists of scaling and orders of pictures stand in front of the size", () => {
  const scaling = ["1", ...Array.from({ length: 16 }, () => 1), "1", 0, 0, 16, "0", "0", "0", "0", "0", "0"];
  const size = [3, "0", 1022, 1022, "0"];
  const claims = (...parts: (string | number)[]): number => claimedPixels("h264", written(HEAD, 0, ...parts, ...size));
  assert.equal(claims(1, 0, 0, "0", "0", 0, 2), 2 * (16 * 1023) ** 2, "plain");
  assert.equal(claims(1, 0, 0, "0", "1", ...scaling, 0, 2), 2 * (16 * 1023) ** 2, "scaled");
  assert.equal(claims(3, "0", 0, 0, "0", "1", ...scaling, "0000", 0, 2), 2 * (16 * 1023) ** 2, "all colours");
  assert.equal(claims(1, 0, 0, "0", "0", 0, 1, "0", 4, 5, 3, 1, 2, 3), 2 * (16 * 1023) ** 2, "cycles");
  assert.equal(claims(1, 0, 0, "0", "0", 0, 0, 4), 2 * (16 * 1023) ** 2, "order by low bits");
});

test("damaged sequence parameters claim too much, and no bytes at all raise an error or take long", () => {
  const random = seeded(7);
  for (const [hex] of WRITTEN) {
    const whole = unit(hex);
    for (let size = 5; size < 10; size++) assert(claimedPixels("h264", whole.subarray(0, size)) > MAX_PIXELS);
  }
  assert(claimedPixels("h264", written(HEAD, 0, 1, 0, 0, "0", "0", 0, 1, "0", 0, 0, 2 ** 31)) > MAX_PIXELS);
  for (let round = 0; round < 20_000; round++) {
    const data = Uint8Array.from({ length: Math.floor(random() * 40) }, () => Math.floor(random() * 256));
    assert(claimedPixels("h264", Uint8Array.of(0, 0, 1, 0x67, 100, 0, 40, ...data)) >= 0);
    assert(claimedPixels("vp8", data) >= 0);
  }
});

test("neither many sets of sequence parameters nor a long one are read to their end", () => {
  const [hex] = WRITTEN[0] ?? [""];
  const one = unit(hex);
  const many = (count: number): Uint8Array =>
    Uint8Array.from({ length: count * one.length }, (_, i) => one[i % one.length] ?? 0);
  assert.equal(claimedPixels("h264", many(32)), 640 * 368);
  assert.equal(claimedPixels("h264", many(33)), Infinity);
  assert.equal(claimedPixels("h264", many(150_000)), Infinity);
  assert(sequenceParameters(many(150_000)).length < 40);
  const long = new Uint8Array(4 << 20).fill(0x55);
  long.set(one);
  assert.equal(claimedPixels("h264", long), 640 * 368);
});
