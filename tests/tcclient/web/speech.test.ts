import assert from "node:assert/strict";
import { test } from "node:test";

import { captureTime, LipSync, MAX_HOLD, MEMORY } from "../../../tcclient/web/src/media/lipsync.js";
import {
  audioLevel,
  HEARD_NO_MORE,
  MutedSpeech,
  NEVER_HEARD,
  QuietDetector,
  SILENCE_LEVEL,
  SilentMicrophone,
  VoiceDetector,
} from "../../../tcclient/web/src/media/speech.js";
import { seeded } from "./random.js";
import { FRAME, tone } from "./sound.js";

function noise(seed: number, amplitude: number): Float32Array {
  const random = seeded(seed);
  return Float32Array.from({ length: FRAME }, () => amplitude * (2 * random() - 1));
}

test("levels are those of RFC 6464", () => {
  assert.equal(audioLevel(new Float32Array(FRAME)), SILENCE_LEVEL);
  assert.equal(audioLevel(tone(FRAME, 0, 200, 1)), 3);
  assert.equal(audioLevel(tone(FRAME, 0, 200, 0.1)), 23);
  assert.equal(audioLevel(new Float32Array(0)), SILENCE_LEVEL);
});

test("speech above noise is voice, and lasts over the gaps of a sentence", () => {
  const detector = new VoiceDetector();
  for (let n = 0; n < 1_000; n++) detector.detect(noise(n, 0.01), 0.02);
  assert.equal(detector.detect(noise(7, 0.01), 0.02), false);
  assert.equal(detector.detect(tone(FRAME), 0.02), true);
  const after = Array.from({ length: 30 }, (_, n) => detector.detect(noise(n, 0.01), 0.02));
  assert.equal(after.indexOf(false), 14);
});

test("what is far below the speech around it is quiet, and a quiet speaker is heard after a while", () => {
  const detector = new QuietDetector();
  assert.deepEqual(
    [0.3, 0.03, 0.01].map((amplitude) => detector.detect(tone(FRAME, 0, 200, amplitude))),
    [false, false, true],
  );
  let frames = 1;
  while (detector.detect(tone(FRAME, 0, 200, 0.01))) frames += 1;
  assert.ok(frames >= 40 && frames <= 50, String(frames)); // 29.5 dB are 4.5 more than 25, which takes 0.9 s
});

test("speech into a muted microphone is noticed after a word, and one noise is not", () => {
  const muted = new MutedSpeech();
  for (let n = 0; n < 20; n++) assert.equal(muted.heard(true, 0.02), false);
  for (let n = 0; n < 100; n++) muted.heard(false, 0.02);
  const spoken = Array.from({ length: 60 }, () => muted.heard(true, 0.02));
  assert.equal(spoken.indexOf(true), 29);
  muted.reset();
  assert.equal(muted.heard(true, 0.02), false);
});

test("a microphone without any sound is noticed, one that is only quiet is not", () => {
  const silent = new SilentMicrophone();
  const seconds = (level: number, count: number) =>
    Array.from({ length: count * 50 }, () => silent.heard(level, 0.02)).filter(Boolean).length > 0;
  assert.equal(seconds(SILENCE_LEVEL - 1, 2 * HEARD_NO_MORE), false);
  assert.equal(seconds(SILENCE_LEVEL, HEARD_NO_MORE - 1), false);
  assert.equal(seconds(SILENCE_LEVEL, 2), true);
  assert.equal(silent.heard(60, 0.02), false, "it is heard again");
  silent.reset();
  assert.equal(seconds(SILENCE_LEVEL, NEVER_HEARD - 1), false);
  assert.equal(seconds(SILENCE_LEVEL, 2), true);
});

test("pictures wait for the sound that belongs to them", () => {
  const lips = new LipSync();
  assert.equal(lips.showAt(100, 5), 5, "nothing is known");
  lips.heard(100, 5.12, 5);
  assert.ok(Math.abs(lips.showAt(100.1, 5.15) - 5.22) < 1e-9);
  assert.equal(lips.showAt(100, 5.3), 5.3, "late pictures are shown at once");
  assert.equal(lips.showAt(100 + 2 * MAX_HOLD, 5.3), 5.3, "no picture waits longer than the bound");
  assert.equal(lips.showAt(100.1, 5 + MEMORY + 1), 5 + MEMORY + 1, "the sound has ended");
});

test("a play-out delay that changes is followed without a jolt, and another clock at once", () => {
  const lips = new LipSync();
  lips.heard(10, 1, 1);
  lips.heard(10.02, 1.12, 1.1);
  const moved = lips.showAt(10.2, 1.2) - 1.2;
  assert.ok(moved > 0.005 && moved < 0.05, String(moved));
  lips.heard(50, 1.3, 1.3);
  assert.ok(Math.abs(lips.showAt(50.1, 1.35) - 1.4) < 1e-9);
});

test("capture times go over the wrap of timestamps, both ways", () => {
  const mapping = { timestamp: 2 ** 32 - 48_000, time: 7 };
  assert.equal(captureTime(mapping, 48_000, 48_000), 9);
  assert.equal(captureTime({ timestamp: 0, time: 7 }, 2 ** 32 - 90_000, 90_000), 6);
});
