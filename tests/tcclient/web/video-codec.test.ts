import assert from "node:assert/strict";
import { test } from "node:test";

import { cameraCodec, fit, h264Codec } from "../../../tcclient/web/src/media/video-codec.js";

type Supports = typeof VideoEncoder.isConfigSupported;

test("a camera is sent in H.264 only where the browser says that it does all that was asked", async () => {
  const withHardware: Supports = (config) => Promise.resolve({ supported: true, config });
  assert.equal(await cameraCodec(withHardware), "h264");
  const without: readonly Supports[] = [
    (config) => Promise.resolve({ supported: false, config }),
    ({ codec, width, height, hardwareAcceleration = "no-preference" }) =>
      Promise.resolve({ supported: true, config: { codec, width, height, hardwareAcceleration } }),
    ({ codec, width, height, avc = {} }) => Promise.resolve({ supported: true, config: { codec, width, height, avc } }),
    () => Promise.resolve({}),
    () => Promise.reject(new TypeError("no such codec")),
  ];
  for (const supports of without) assert.equal(await cameraCodec(supports), "vp8");
});

test("a keyframe in Annex B says its profile and level, wherever its parameters are", () => {
  const parameters = [0, 0, 1, 0x67, 0x42, 0xe0, 0x1f, 0xff];
  assert.equal(h264Codec(Uint8Array.from(parameters)), "avc1.42e01f");
  assert.equal(h264Codec(Uint8Array.from([0, 0, 0, 1, 9, 16, 0, ...parameters])), "avc1.42e01f");
  assert.equal(h264Codec(Uint8Array.from([0, 0, 0, 1, 0x65, 1, 2, 3, 4])), undefined);
  assert.equal(h264Codec(Uint8Array.from([0, 0, 0, 8, 0x67, 0x42, 0xe0, 0x1f, 0xff])), undefined);
});

test("pictures are made smaller by their shorter side, to even numbers, and never larger", () => {
  assert.deepEqual(fit(1280, 720, 360), { width: 640, height: 360 });
  assert.deepEqual(fit(720, 1280, 180), { width: 180, height: 320 });
  assert.deepEqual(fit(320, 180, 720), { width: 320, height: 180 });
});
